#!/usr/bin/python3
"""Print the copyright file of a distribution package, in Debian's machine-readable format.

Everything that is linked into the library has a paragraph: the crates that cargo resolves
for it, with the copyright lines that their own licence files bear.

    packaging/copyright.py [CARGO OPTION...]
"""

import json
import pathlib
import re
import subprocess
import sys

# Where a crate offers a choice, the first of these that it offers is taken.
PREFERRED = ["MIT", "Apache-2.0", "ISC", "BSD-3-Clause", "MPL-2.0", "Unicode-3.0"]
# Debian ships the text of these.
COMMON = {"Apache-2.0", "MPL-2.0"}
LICENSE_FILES = re.compile(r"^(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE)", re.IGNORECASE)
COPYRIGHT_LINE = re.compile(r"^[\s#*/]*(?:Copyright|©)(?:\s*\(c\)|\s*©)?\s*(.*\d{4}.*|.* [Dd]evelopers.*)$")
TEXTS = pathlib.Path(__file__).parent / "licenses"

HEADER = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: prosody-components
Comment:
 The library contains the Rust crates named below under vendor/, in the form in which
 they are published on crates.io, where their source code is to be had. Where a crate
 offers a choice of licences, the one under which it is distributed here is named.
 .
 It also contains parts of the Rust standard library (The Rust Project Developers,
 MIT or Apache-2.0) and of GCC's unwinder, libgcc_eh (Free Software Foundation, GPL-3+
 with the GCC Runtime Library Exception, which allows that).

Files: *
Copyright: {authors}
License: MIT
"""


def linked_packages(cargo_options):
    """The packages that end up in the library: no proc-macros, no build or test dependencies."""
    command = ["cargo", *cargo_options, "metadata", "--format-version=1", "--locked",
               "--features=lua54", "--filter-platform=x86_64-unknown-linux-gnu"]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    linked, waiting = set(), [metadata["resolve"]["root"]]
    while waiting:
        identity = waiting.pop()
        if identity in linked or is_proc_macro(packages[identity]):
            continue
        linked.add(identity)
        waiting += [dependency["pkg"] for dependency in nodes[identity]["deps"]
                    if any(kind["kind"] is None for kind in dependency["dep_kinds"])]
    linked.remove(metadata["resolve"]["root"])
    return sorted((packages[identity] for identity in linked),
                  key=lambda package: (package["name"], package["version"]))


def is_proc_macro(package):
    return any("proc-macro" in target["kind"] for target in package["targets"])


def licenses(package):
    """The licences that apply together: one of each choice in the package's SPDX expression."""
    expression = (package["license"] or "").replace("/", " OR ")
    chosen = []
    for choice in re.split(r"\s+AND\s+", expression):
        offered = re.split(r"\s+OR\s+", choice.strip(" ()"))
        usable = [name for name in PREFERRED if name in offered]
        if not usable:
            sys.exit(f"{package['name']}: no text here for the licence {expression!r}")
        chosen.append(usable[0])
    return chosen


def copyright_lines(package):
    """Who holds the copyright, after the package's licence files, or else its authors."""
    directory = pathlib.Path(package["manifest_path"]).parent
    lines = []
    for path in sorted(directory.iterdir()):
        if not (path.is_file() and LICENSE_FILES.match(path.name)):
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            match = COPYRIGHT_LINE.match(line)
            # The Apache licence's own appendix and definitions speak of copyright, too.
            if match and "[yyyy]" not in line and match[1].strip() not in lines:
                lines.append(match[1].strip())
    return lines or package["authors"] or [f"The {package['name']} developers"]


def paragraph(package):
    holders = "\n           ".join(copyright_lines(package))
    return (f"Files: vendor/{package['name']}-{package['version']}/*\n"
            f"Copyright: {holders}\n"
            f"License: {' and '.join(licenses(package))}\n")


def license_text(name):
    if name in COMMON:
        text = f"On Debian systems the text is in /usr/share/common-licenses/{name}."
    else:
        text = (TEXTS / name).read_text(encoding="utf-8")
    body = "\n".join(f" {line}" if line.strip() else " ." for line in text.strip().splitlines())
    return f"License: {name}\n{body}\n"


def main():
    packages = linked_packages(sys.argv[1:])
    own = (TEXTS.parent.parent / "LICENSE").read_text(encoding="utf-8")
    authors = re.search(r"Copyright \(c\) (.*)", own)[1]
    print(HEADER.format(authors=authors))
    for package in packages:
        print(paragraph(package))
    for name in sorted({name for package in packages for name in licenses(package)} | {"MIT"}):
        print(license_text(name))


if __name__ == "__main__":
    main()
