#!/usr/bin/python3
"""Check that no crate in the lock file asks for a newer Rust than Cargo.toml promises.

Whether the code itself keeps to that Rust's standard library is checked by
clippy::incompatible_msrv, which is part of make lint.
"""

import json
import subprocess
import sys


def version(text):
    """1.88 and 1.88.0 are the same."""
    parts = [int(part) for part in text.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


def main():
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--features=lua54",
               "--filter-platform=x86_64-unknown-linux-gnu"]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    root = metadata["resolve"]["root"]
    used = {node["id"] for node in metadata["resolve"]["nodes"]}
    packages = [package for package in metadata["packages"] if package["id"] in used]
    promised = next(package["rust_version"] for package in packages if package["id"] == root)
    newer = [f"{package['name']} {package['version']} needs Rust {package['rust_version']}"
             for package in packages
             if package["rust_version"] and version(package["rust_version"]) > version(promised)]
    if newer:
        sys.exit(f"Cargo.toml promises Rust {promised}, but " + ", ".join(newer))
    print(f"{len(packages)} crates, none needs a newer Rust than {promised}")


if __name__ == "__main__":
    main()
