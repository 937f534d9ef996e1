#!/usr/bin/env python3
"""Counts the instructions of each hot function with callgrind. Run: make instructions

Fails when one takes over a tenth more than benches/instructions.json says; --update writes that file.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

BENCHES = pathlib.Path(__file__).resolve().parent
PROGRAM = BENCHES.parent / "target/micro/release/instructions"
COMMITTED = BENCHES / "instructions.json"
ITERATIONS = 200
TOLERANCE = 1.10


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="take the counts as they are now")
    update = parser.parse_args().update
    names = subprocess.run([PROGRAM], text=True, stdout=subprocess.PIPE, check=True).stdout.split()
    now = {name: count(name) for name in names}
    before = {} if update else json.loads(COMMITTED.read_text())
    for name, instructions in now.items():
        was = before.get(name, instructions)
        print(f"{name:20} {instructions:8,} instructions, {instructions / was - 1:+.1%}")
    if update:
        COMMITTED.write_text(json.dumps(now, indent=1) + "\n")
        return 0
    if now.keys() != before.keys():
        print(f"not the functions of {COMMITTED.name}: make instructions UPDATE=1")
        return 1
    grown = [name for name in now if now[name] > before[name] * TOLERANCE]
    for name in grown:
        print(f"{name} has grown by more than a tenth: from {before[name]:,} to {now[name]:,} instructions")
    return 1 if grown else 0


def count(name):
    """Instructions of one call."""
    with tempfile.TemporaryDirectory() as directory:
        found = pathlib.Path(directory, "callgrind.out")
        command = ["valgrind", "--tool=callgrind", "--toggle-collect=measured", f"--callgrind-out-file={found}"]
        subprocess.run([*command, PROGRAM, name, str(ITERATIONS)], stderr=subprocess.PIPE, check=True)
        total = re.search(r"^(?:summary|totals): (\d+)", found.read_text(), re.M)
    return round(int(total.group(1)) / ITERATIONS)


if __name__ == "__main__":
    sys.exit(main())
