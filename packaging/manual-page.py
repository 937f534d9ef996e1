#!/usr/bin/python3
"""Print a module's manual page in markdown, as go-md2man reads it, out of the README and docs.

    packaging/manual-page.py MODULE VERSION
"""

import datetime
import itertools
import os
import pathlib
import re
import sys

REPOSITORY = pathlib.Path(__file__).parent.parent
DOCUMENTS = "/usr/share/doc/prosody-components"


def document(path):
    return (REPOSITORY / path).read_text(encoding="utf-8")


def section(text, level, title):
    """What is below a heading, up to the next one of the same level or above."""
    found = re.search(rf"^{'#' * level} {re.escape(title)}\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.M | re.S)
    if not found:
        sys.exit(f"there is no section {title}")
    return found[1]


def log_of(module):
    """What the log says of that module, with what both have in common."""
    log = section(document("docs/running.markdown"), 2, "The log")
    introduction = log.partition("### ")[0]
    return introduction + section(log, 3, "Both modules") + section(log, 3, module)


def summary(readme, module):
    """The sentence about the module in the list at the README's top."""
    found = re.search(rf"^- \[{module}\]\(docs/\w+\.markdown\) (.*?)\.(?=\s)", readme, re.M | re.S)
    if not found:
        sys.exit(f"the README's list of modules has no {module}")
    return " ".join(found[1].split())


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
    """Links to other documents as names and the files that the package has, links within one as names alone."""
    text = re.sub(r"\[([^\]]+)\]\((?:\.\./)?(examples)/[^)]*\)", rf"\1 ({DOCUMENTS}/\2)", text)
    text = re.sub(r"\[([^\]]+)\]\((\w+\.markdown)[^)]*\)", rf"\1 ({DOCUMENTS}/docs/\2)", text)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)


def main():
    module, version = sys.argv[1:]
    date = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.UTC).date()
    manual = document(f"docs/{module.removeprefix('mod_')}.markdown")
    _, introduction, described = re.split(r"\A# .*\n|(?=^## )", manual, maxsplit=2, flags=re.M)
    body = f"## Description\n{introduction}{described}## Diagnostics\n{log_of(module)}"
    text = without_local_links(re.sub(r"^## (.*)", lambda heading: f"# {heading[1].upper()}", without_tables(body),
                                      flags=re.M))
    print(f'{module} 5 "{date}" "prosody-components {version}" "Prosody modules"\n=====\n\n'
          f"# NAME\n\n{module} - {summary(document('README.markdown'), module)}\n\n{text}\n"
          "# SEE ALSO\n\n**prosody**(8), **prosodyctl**(8)")


if __name__ == "__main__":
    main()
