"""README is short, links lead somewhere, and each option has its row."""

import re

import pytest

from harness.installation import REPOSITORY, document

DOCUMENTS = ["README.markdown", "examples/README.markdown",
             *sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").glob("*.markdown"))]
# How the settings name an option: where they read it, or once before.
OPTION = re.compile(r'options\s*\.\w+\(\s*"(\w+)"|OPTION: &str = "(\w+)"')


def anchors(text):
    """The names that a browser goes to, one for each heading."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short():
    assert len(document("README.markdown").splitlines()) <= 200


@pytest.mark.parametrize("path", DOCUMENTS)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:)([^)]*)\)", document(path)):
        name, _, anchor = target.partition("#")
        file = (REPOSITORY / path).parent / name if name else REPOSITORY / path
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("module", ["component_http", "client_proxy", "push"])
def test_each_option_has_its_row(module):
    table = document(f"docs/{module}.markdown").partition("## Options")[2].partition("\n## ")[0]
    directory = REPOSITORY / "src" / module
    files = [path for path in [*directory.glob("settings.rs"), *directory.glob("settings/*.rs")]
             if path.name != "tests.rs"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    read = {name or constant for name, constant in OPTION.findall(code)}
    # An old name is told of in a sentence.
    assert "post_stanza_types" not in read or "`post_stanza_types`" in table
    assert read - {"post_stanza_types"} == set(re.findall(r"^\| `(\w+)` \|", table, re.M))
