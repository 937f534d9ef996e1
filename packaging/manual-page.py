#!/usr/bin/python3
"""Print a module's manual page in markdown, as go-md2man reads it, out of the README.

    packaging/manual-page.py MODULE VERSION <README.markdown
"""

import datetime
import itertools
import os
import re
import sys

EXAMPLES = "/usr/share/doc/prosody-components/examples"


def section(document, level, title):
    """What is below a heading, up to the next one of the same level or above."""
    found = re.search(rf"^{'#' * level} {re.escape(title)}\n(.*?)(?=^#{{1,{level}}} |\Z)", document, re.M | re.S)
    if not found:
        sys.exit(f"the README has no section {title}")
    return found[1]


def summary(document, module):
    """The sentence about the module in the list at the README's top."""
    found = re.search(rf"^- \[{module}\]\(#{module}\) (.*?)\.(?=\s)", document, re.M | re.S)
    if not found:
        sys.exit(f"the README's list of modules has no {module}")
    return " ".join(found[1].split())


def without_pictures(text):
    """Without the subsections that have a picture: a terminal shows none."""
    return "".join(part for part in re.split(r"^(?=### )", text, flags=re.M) if "![" not in part)


def definitions(table):
    """A table as definitions, which fit any terminal: its header first, the middle cells behind the term."""
    header, _, *rows = ([cell.strip() for cell in row.strip("|").split("|")] for row in table)
    return "\n".join(f"{term}{''.join(f' ({cell})' for cell in between)}\n: {meaning}\n"
                     for term, *between, meaning in [[f"*{name}*" for name in header], *rows])


def without_tables(text):
    parts = []
    for is_table, lines in itertools.groupby(text.splitlines(), lambda line: line.startswith("|")):
        lines = list(lines)
        parts.append(definitions(lines) if is_table else "\n".join(lines))
    return "\n".join(parts) + "\n"


def without_local_links(text):
    """Links into the repository as names alone, but the examples as the directory where the package has them."""
    text = re.sub(r"\[examples\]\(examples/[^)]*\)", EXAMPLES, text)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)


def main():
    module, version = sys.argv[1:]
    readme = sys.stdin.read()
    date = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.UTC).date()
    described = without_tables(without_pictures(section(readme, 2, module)))
    troubles = section(readme, 3, "Troubleshooting")
    text = without_local_links(re.sub(r"^### (.*)", lambda heading: f"# {heading[1].upper()}", described, flags=re.M)
                               + f"# DIAGNOSTICS\n\n{troubles}")
    print(f'{module} 5 "{date}" "prosody-components {version}" "Prosody modules"\n=====\n\n'
          f"# NAME\n\n{module} - {summary(readme, module)}\n\n{text}\n"
          "# SEE ALSO\n\n**prosody**(8), **prosodyctl**(8)")


if __name__ == "__main__":
    main()
