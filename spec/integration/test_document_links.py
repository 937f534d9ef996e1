"""README is short, links lead somewhere, and each option has its row."""

import re

import pytest

from harness.installation import REPOSITORY, document

DOCUMENTS = ["README.markdown", "examples/README.markdown",
             *sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").glob("*.markdown"))]
OPTIONS = {
    "component_http": ("component_post_", "post_stanza_", "validate_from_"),
    "client_proxy": ("target_", "proxy_"),
}


def sources(*patterns):
    """The code without its tests, each string on one line."""
    files = [path for pattern in patterns for path in sorted(REPOSITORY.glob(pattern)) if path.name != "tests.rs"]
    code = "\n".join(path.read_text(encoding="utf-8").partition("#[cfg(test)]\nmod tests {")[0] for path in files)
    return re.sub(r'\\\n\s*|"\s*\.\."', "", code).replace('\\"', '"')


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


@pytest.mark.parametrize("module", OPTIONS)
def test_each_option_has_its_row(module):
    rows = set(re.findall(r"^\| `(\w+)` \|", document(f"docs/{module}.markdown").partition("## Options")[2], re.M))
    prefixes = "|".join(OPTIONS[module])
    code = sources(f"src/{module}/settings.rs", f"src/{module}/settings/*.rs")
    read = set(re.findall(rf'"((?:{prefixes})\w+)"', code))
    assert read
    # An old name is said of in a sentence.
    assert read - {"post_stanza_types"} == {row for row in rows if row.startswith(OPTIONS[module])}
