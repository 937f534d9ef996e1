"""`make install` puts into DESTDIR what a Prosody that looks there needs, and `make uninstall` takes it away."""

import os
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


def make(target, destination):
    # Not the flags and variables of a make that these tests may run under.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", target, f"DESTDIR={destination}", f"LUA_VERSION={lua_version()}"],
                          cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
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
