"""Which Prosody the tests run, its Lua, and where the repository and the library built for it are."""

import os
import pathlib
import re
import shutil

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


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


# What Prosody itself cannot do: before 0.11, which is when net.server_epoll came, and before 0.12.
needs_flush_at_exit = pytest.mark.skipif(
    not brings("net/server_epoll.lua")
    or os.environ.get("NETWORK_BACKEND") == "libevent" and not brings("util/openmetrics.lua"),
    reason="before 0.11, with libevent before 0.12, Prosody ends without waiting for what it sent")
needs_bounces = pytest.mark.skipif(
    not brings("net/server_epoll.lua"), reason="before 0.11 Prosody drops the errors that a component's stanzas get")
needs_metrics = pytest.mark.skipif(
    not brings("util/openmetrics.lua"), reason="before 0.12 Prosody has no registry of its counters")


def library_directory():
    return REPOSITORY / "target" / "lua" / lua_version()
