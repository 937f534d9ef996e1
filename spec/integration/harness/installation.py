"""Which Prosody the tests run, its Lua, and where the repository and the library built for it are."""

import os
import pathlib
import re
import shutil

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


def document(path):
    """The text of one of the repository's files."""
    return (REPOSITORY / path).read_text(encoding="utf-8")


def binary():
    return os.environ.get("PROSODY") or shutil.which("prosody") or "/usr/bin/prosody"


def lua_version():
    """The Lua that Prosody's first line asks for; LUA_VERSION overrides it."""
    asked = os.environ.get("LUA_VERSION")
    if asked:
        return asked
    with open(binary(), encoding="utf-8", errors="replace") as script:
        named = re.search(r"lua(\d\.\d)", script.readline())
    return named.group(1) if named else "5.4"


def brings(path):
    """Whether this Prosody has that file of its own; what there is differs from version to version."""
    with open(binary(), encoding="utf-8", errors="replace") as script:
        named = re.search(r"^CFG_SOURCEDIR\s*=\s*'(.*)';", script.read(), re.M)
    return (pathlib.Path(named.group(1) if named else "/usr/lib/prosody") / path).exists()


def has_module(name):
    return brings(f"modules/mod_{name}.lua")


def library_directory():
    return REPOSITORY / "target" / "lua" / lua_version()
