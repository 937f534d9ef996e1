"""Fixtures for the integration tests: one Prosody per file, made of what the file's `hosts(backend)` returns."""

import contextlib
import re
import signal
import sys

import pytest

from harness import bot as bots, prosody as servers, push, services
from harness.backend import Backend
from harness.bot import Bot
from harness.client import Component
from harness.installation import brings, library_directory
from harness.served import ACCOUNTS, Served
from harness.web_service import WebService


def pytest_sessionstart(session):
    library = library_directory() / "prosody_components.so"
    if not library.exists():
        raise pytest.UsageError(f"{library} is not there: run `make all` first")
    sys.path += services.packages()
    servers.become_subreaper()
    # A run that is told to end takes its servers with it, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "not_as_described(what): JSON in it is wrong on purpose, by what src/push/openapi.json says")


@pytest.fixture(autouse=True)
def as_described(request):
    """All JSON that a test sends and receives fits the description, unless it says that it means something else."""
    from harness.description import Misfits
    misfits = Backend.watch = push.Service.watch = WebService.watch = Misfits()
    yield
    if not request.node.get_closest_marker("not_as_described"):
        assert not misfits.found, misfits.found[0]


@pytest.fixture(scope="session")
def backend():
    with Backend() as server:
        yield server


@pytest.fixture(scope="module")
def prosody(request, backend):
    module = request.module
    with servers.Prosody(
        module.hosts(backend),
        accounts=getattr(module, "ACCOUNTS", None),
        options=getattr(module, "OPTIONS", None),
    ) as server:
        yield server


@pytest.fixture(scope="module")
def peers(prosody):
    """The XEP-0114 component that tests speak through."""
    component = Component(prosody.component_port, "peers.test", servers.COMPONENT_SECRET)
    yield component
    component.close()


@pytest.fixture
def peer(peers):
    """A JID of its own for every test."""
    return peers.peer()


@pytest.fixture
def bot(prosody, backend):
    """The host bot.test with a backend that accepts everything until told otherwise."""
    bot = Bot(backend)
    yield bot
    bot.release()


@pytest.fixture
def bot_at(prosody, backend):
    """A function from a host's name to its Bot."""
    made = []

    def at(host):
        made.append(Bot(backend, host))
        return made[-1]
    yield at
    for bot in made:
        bot.release()


@pytest.fixture(scope="session")
def peer_of():
    """A function that starts a Prosody of the test's own and gives a JID to speak through, as a context manager."""
    @contextlib.contextmanager
    def start(hosts, **arguments):
        with servers.Prosody(hosts, **arguments) as prosody:
            component = Component(prosody.component_port, "peers.test", servers.COMPONENT_SECRET)
            peer = component.peer()
            peer.component, peer.prosody = component, prosody
            yield peer
            component.close()
            assert_no_tracebacks(prosody)
    return start


@pytest.fixture
def serve(backend):
    """A function that starts a Prosody with bot.test; all are ended, and their logs looked through, with the test."""
    started = []

    def start(*sections, daemonise=False, **options):
        prosody = servers.Prosody([bots.component(backend, **options), *sections],
                                  accounts=ACCOUNTS, daemonise=daemonise)
        started.append(prosody.__enter__())
        return Served(prosody, backend)
    yield start
    backend.endpoint("/bot.test").release()
    for prosody in started:
        try:
            assert_no_tracebacks(prosody)
        finally:
            prosody.__exit__()


@pytest.fixture(params=[False, True], ids=["foreground", "daemon"])
def daemonise(request):
    return request.param


@pytest.fixture(autouse=True)
def no_tracebacks(request):
    """After every test Prosody is alive and has logged no Lua error."""
    if "prosody" not in request.fixturenames:
        yield
        return
    prosody = request.getfixturevalue("prosody")
    position = prosody.log_position()
    yield
    assert prosody.alive()
    assert_no_tracebacks(prosody, position)


def assert_no_tracebacks(prosody, since=0):
    # Up to 0.12 Prosody with select stumbles over what is still to be sent when it ends. Modules are called
    # from the same function, hence the look at the innermost one.
    own = re.compile(r"stack traceback:\n.*net/server_select\.lua:\d+: in \w+ 'sendbuffer'")
    # Before 0.11 it adds one to whatever a module says that does not let itself be reloaded.
    refusal = "Error saving module" if not brings("util/format.lua") else None
    tracebacks = [line for line in prosody.log(since)
                  if "traceback" in line.text.lower() and not own.search(line.text)
                  and not (refusal and line.text.startswith(refusal))]
    assert not tracebacks, tracebacks[0]
