"""`make install` puts into DESTDIR what a Prosody that looks there needs, and `make uninstall` takes it away."""

import os
import re
import subprocess

import pytest

from harness import bot as bots
from harness.behaviours import echo
from harness.bot import Bot
from harness.client import Component
from harness.installation import REPOSITORY, lua_version
from harness.prosody import COMPONENT_SECRET, Prosody

MODULES = "usr/local/lib/prosody/modules"
LIBRARIES = f"usr/local/lib/lua/{lua_version()}"


def run_make(*arguments, **variables):
    # Not the flags and variables of a make that these tests may run under.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(["make", *arguments, f"LUA_VERSION={lua_version()}"], cwd=REPOSITORY,
                          env={**environment, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def make(target, destination):
    done = run_make(target, f"DESTDIR={destination}")
    assert done.returncode == 0, done.stdout


def files(directory):
    return {str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()}


@pytest.fixture
def destination(tmp_path):
    # A space, as a DESTDIR may well have one.
    directory = tmp_path / "a root"
    make("install", directory)
    return directory


def test_install_and_uninstall(destination):
    shims = {f"{MODULES}/{shim.name}" for shim in (REPOSITORY / "lua").glob("mod_*.lua")}
    assert files(destination) == shims | {f"{LIBRARIES}/prosody_components.so"}
    make("uninstall", destination)
    assert files(destination) == set()


def test_what_is_installed_works(destination, backend):
    with Prosody([bots.component(backend)], options={"plugin_paths": [str(destination / MODULES)]},
                 environment={"LUA_CPATH": f"{destination / LIBRARIES}/?.so;;"}) as prosody:
        peers = Component(prosody.component_port, "peers.test", COMPONENT_SECRET)
        bot, peer = Bot(backend), peers.peer()
        bot.behave(echo)
        peer.say(bot.jid, "hello")
        assert peer.receive().body == "hello"
        peers.close()


@pytest.mark.parametrize("cargo", ["exit 127", "echo cargo 0.66.0"], ids=["no Rust", "Debian's Rust"])
@pytest.mark.parametrize("target", ["all", "demo", "test", "rock", "deb"])
def test_without_a_recent_rust_one_line_says_how_to_get_it_and_nothing_is_installed(tmp_path, target, cargo):
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, script in {"cargo": cargo, "apt-get": f"touch {tmp_path}/installed", "sudo": "exit 1"}.items():
        (commands / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (commands / name).chmod(0o755)
    done = run_make(target, f"LIBRARY={tmp_path}/library.so", f"DIST={tmp_path}/dist",
                    PATH=f"{commands}:{os.environ['PATH']}")
    assert done.returncode != 0
    said = [line for line in done.stdout.splitlines() if not line.startswith(("make", "mkdir", "git ls-files", "\t"))]
    assert len(said) == 1
    assert re.fullmatch(r"(.*: )?this needs Rust 1\.\d+ or later: https://rustup\.rs tells how to get it", said[0])
    assert not (tmp_path / "installed").exists()
