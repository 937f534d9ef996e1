"""From start to exit: foreground and daemon, threads, reload, unload and load, several components, and SIGTERM."""

import contextlib

import pytest

from harness import behaviours, bot as bots
from harness.behaviours import held, reply
from harness.admin import ShellError
from harness.bot import Bot
from harness.client import Component, StreamClosed, User
from harness.prosody import COMPONENT_SECRET, Prosody
from harness.waiting import wait_until
from conftest import assert_no_tracebacks

ACCOUNTS = {"alice@localhost": "secret"}
MODULE = "component_http"
FEW_THREADS = 8


@pytest.fixture(params=[False, True], ids=["foreground", "daemon"])
def daemonise(request):
    return request.param


class Served:
    """A Prosody of the test's own, a component to speak through, and the bot at bot.test."""

    def __init__(self, prosody, backend):
        self.prosody = prosody
        self.component = Component(prosody.component_port, "peers.test", COMPONENT_SECRET)
        self.bot = Bot(backend)

    def peer(self):
        return self.component.peer()


@pytest.fixture
def serve(backend):
    """A function that starts such a Prosody; all are ended, and their logs looked through, with the test."""
    started = []

    def start(*sections, daemonise=False, **options):
        prosody = Prosody([bots.component(backend, **options), *sections], accounts=ACCOUNTS, daemonise=daemonise)
        prosody.__enter__()
        started.append(prosody)
        return Served(prosody, backend)
    yield start
    backend.endpoint("/bot.test").release()
    for prosody in started:
        try:
            assert_no_tracebacks(prosody)
        finally:
            prosody.__exit__()


def echoes(served, text="hello"):
    peer = served.peer()
    served.bot.behave(behaviours.echo)
    peer.say(served.bot.jid, text)
    return peer.receive().body == text


# Foreground and daemon

def test_serves_and_ends_cleanly(serve, daemonise):
    served = serve(daemonise=daemonise)
    for number in range(20):
        assert echoes(served, str(number))
    assert served.prosody.stop() == 0


def test_ends_cleanly_without_ever_having_served(serve, daemonise):
    assert serve(daemonise=daemonise).prosody.stop() == 0


def test_no_thread_before_the_first_stanza(serve, daemonise):
    served = serve(daemonise=daemonise)
    assert served.prosody.threads() == 1
    assert echoes(served)
    assert served.prosody.threads() > 1


def test_no_thread_for_what_is_not_forwarded(serve):
    served = serve()
    peer = served.peer()
    peer.presence(served.bot.jid, "probe")
    peer.receive()
    assert served.prosody.threads() == 1


def test_threads_go_after_a_burst(serve):
    served = serve()
    served.bot.behave(held(behaviours.echo))
    senders = [served.peer() for _ in range(100)]
    for sender in senders:
        sender.say(served.bot.jid)
    served.bot.wait_for_requests(100)
    assert served.prosody.threads() >= 100
    served.bot.release()
    for sender in senders:
        assert sender.receive().body == "hello"
    wait_until(lambda: served.prosody.threads() <= FEW_THREADS,
               lambda: f"threads gone, {served.prosody.threads()} are left", deadline=60)
    assert echoes(served)


def test_signals_reach_prosody_s_own_thread(serve):
    """SIGHUP reloads the configuration; in a worker it would run Lua beside the main thread."""
    served = serve()
    served.bot.behave(held(behaviours.echo))
    senders = [served.peer() for _ in range(20)]
    for sender in senders:
        sender.say(served.bot.jid)
    served.bot.wait_for_requests(20)
    for thread in served.prosody.thread_ids():
        if thread != served.prosody.pid:
            assert served.prosody.blocked_signals(thread) & (1 << 0 | 1 << 1 | 1 << 14) == 1 << 0 | 1 << 1 | 1 << 14
    served.bot.release()
    for sender in senders:
        assert sender.receive().body == "hello"


# Reload, unload, load

def test_reload_with_exchanges_in_flight(serve):
    """What was under way, and what waited behind it, is answered by the reloaded module, and POSTed once."""
    served = serve()
    served.bot.behave(held(behaviours.echo))
    senders = [served.peer() for _ in range(10)]
    for sender in senders:
        sender.say(served.bot.jid, "under way")
    served.bot.wait_for_requests(10)
    for sender in senders:
        sender.say(served.bot.jid, "waiting")
    asked = {sender: sender.iq(served.bot.jid, "<ping xmlns='urn:xmpp:ping'/>") for sender in senders}
    for sender in senders:
        assert sender.receive().id == asked[sender]
    served.prosody.reload(MODULE, "bot.test")
    for sender in senders:
        sender.say(served.bot.jid, "after")
    served.bot.release()
    for sender in senders:
        assert [sender.receive().body for _ in range(3)] == ["under way", "waiting", "after"]
    assert len(served.bot.requests) == 30
    assert served.prosody.stop() == 0


def test_reload_again_and_again(serve):
    served = serve()
    assert echoes(served)
    descriptors = None
    for number in range(20):
        served.prosody.reload(MODULE, "bot.test")
        assert echoes(served, str(number))
        descriptors = descriptors or served.prosody.descriptors()
    assert served.prosody.descriptors() <= descriptors + 3
    assert served.prosody.threads() <= FEW_THREADS + 20
    assert served.prosody.stop() == 0


def test_reload_while_messages_come_in(serve):
    """Every message has one outcome, whatever the moment of the reload."""
    served = serve()
    served.bot.behave(behaviours.echo)
    senders = [served.peer() for _ in range(20)]
    for number in range(100):
        for sender in senders:
            sender.say(served.bot.jid, f"{sender.jid} {number}")
        if number % 20 == 10:
            served.prosody.reload(MODULE, "bot.test")
    for sender in senders:
        assert [sender.receive().body for _ in range(100)] == [f"{sender.jid} {number}" for number in range(100)]
    bodies = [request.json["body"] for request in served.bot.requests]
    assert len(bodies) == len(set(bodies)) == 2000


def test_reload_before_the_first_stanza(serve):
    served = serve()
    served.prosody.reload(MODULE, "bot.test")
    assert served.prosody.threads() == 1
    assert echoes(served)


def test_reload_takes_a_changed_configuration(serve, backend):
    served = serve(component_post_stanzas=["presence"])
    peer = served.peer()
    peer.presence(served.bot.jid)
    served.bot.wait_for_requests(1)
    changed = served.prosody.config_file.read_text().replace('{ "presence" }', '{ "message" }')
    served.prosody.config_file.write_text(changed)
    served.prosody.shell("config:reload()")
    served.prosody.reload(MODULE, "bot.test")
    assert echoes(served)


def test_reload_into_an_unusable_configuration_bounces_what_is_outstanding(serve):
    served = serve(component_post_timeout=30)
    served.bot.behave(behaviours.hang)
    senders = [served.peer() for _ in range(5)]
    sent = {sender: sender.say(served.bot.jid) for sender in senders}
    served.bot.wait_for_requests(5)
    changed = served.prosody.config_file.read_text().replace("component_post_timeout = 30", "component_post_timeout = -1")
    served.prosody.config_file.write_text(changed)
    served.prosody.shell("config:reload()")
    with contextlib.suppress(ShellError):
        served.prosody.shell(f'module:reload("{MODULE}", "bot.test")')
    for sender in senders:
        bounced = sender.receive()
        assert (bounced.id, bounced.error) == (sent[sender], "wait/remote-server-timeout")
    peer = served.peer()
    peer.say(served.bot.jid)
    assert peer.receive().error == "cancel/service-unavailable"
    assert served.prosody.stop() == 0


def test_repaired_configuration_comes_up_with_a_reload(serve):
    served = serve(component_post_timeout=-1)
    repaired = served.prosody.config_file.read_text().replace("component_post_timeout = -1", "component_post_timeout = 5")
    served.prosody.config_file.write_text(repaired)
    served.prosody.shell("config:reload()")
    served.prosody.reload(MODULE, "bot.test")
    assert echoes(served)
    assert served.prosody.stop() == 0


def test_unload_bounces_what_is_outstanding(serve):
    served = serve(component_post_concurrency=5)
    served.bot.behave(behaviours.hang)
    senders = [served.peer() for _ in range(10)]
    sent = {sender: sender.say(served.bot.jid) for sender in senders}
    served.bot.wait_for_requests(5)
    until_pong(served)
    served.prosody.unload(MODULE, "bot.test")
    for sender in senders:
        bounced = sender.receive()
        assert (bounced.id, bounced.error) == (sent[sender], "wait/remote-server-timeout")
    wait_until(lambda: served.prosody.threads() == 1, lambda: f"{served.prosody.threads()} threads ended")


def until_pong(served):
    """When this is answered Prosody has handled everything that was sent before."""
    peer = served.peer()
    peer.iq("bot.test", "<ping xmlns='urn:xmpp:ping'/>")
    assert peer.receive().type == "result"


def test_unloaded_component_is_gone(serve):
    served = serve()
    assert echoes(served)
    served.prosody.unload(MODULE, "bot.test")
    peer = served.peer()
    peer.say(served.bot.jid)
    assert peer.receive().type == "error"
    assert served.prosody.stop() == 0


def test_unload_and_load(serve):
    served = serve()
    descriptors = None
    for number in range(10):
        assert echoes(served, str(number))
        served.prosody.unload(MODULE, "bot.test")
        descriptors = descriptors or served.prosody.descriptors()
        served.prosody.load(MODULE, "bot.test")
    assert served.prosody.descriptors() <= descriptors + 3
    assert echoes(served)
    assert served.prosody.stop() == 0


# Several components

def test_several_components_side_by_side(serve, backend):
    names = [f"bot{number}.test" for number in range(8)]
    served = serve(*(bots.component(backend, name) for name in names))
    others = [Bot(backend, name) for name in names]
    for number, other in enumerate(others):
        other.behave(reply(body=f"I am {number}"))
    peer = served.peer()
    for number, other in enumerate(others):
        peer.say(other.jid)
        received = peer.receive()
        assert (received.sender, received.body) == (other.jid, f"I am {number}")
    assert echoes(served)
    assert all(len(other.requests) == 1 for other in others)
    assert served.prosody.stop() == 0


def test_unloading_one_component_leaves_the_others_alone(serve, backend):
    served = serve(bots.component(backend, "other.test"))
    other = Bot(backend, "other.test")
    other.behave(held(behaviours.echo))
    peer = served.peer()
    peer.say(other.jid)
    other.wait_for_requests(1)
    served.prosody.unload(MODULE, "bot.test")
    other.release()
    assert peer.receive().body == "hello"


# SIGTERM

def hang_fifty(served):
    served.bot.behave(behaviours.hang)
    user = User(served.prosody.c2s_port, "alice@localhost", "secret")
    ids = {f"hung-{number}" for number in range(50)}
    for id in ids:
        user.message(f"{id}@bot.test", "<body>hello</body>", type="chat", id=id)
    served.bot.wait_for_requests(50)
    return user, ids


def until_closed(receiver):
    received = []
    try:
        while True:
            received.append(receiver.receive())
    except StreamClosed:
        return received


def test_sigterm_with_fifty_hung_exchanges(serve, daemonise):
    served = serve(daemonise=daemonise)
    user, ids = hang_fifty(served)
    assert served.prosody.stop(deadline=5) == 0
    bounces = until_closed(user)
    assert {bounce.id for bounce in bounces} == ids
    assert len(bounces) == 50
    assert {bounce.error for bounce in bounces} == {"wait/remote-server-timeout"}


def test_sigterm_bounces_what_waits_too(serve):
    served = serve(component_post_concurrency=1)
    served.bot.behave(behaviours.hang)
    user = User(served.prosody.c2s_port, "alice@localhost", "secret")
    for number in range(20):
        user.message("bot@bot.test", f"<body>{number}</body>", id=f"m{number}")
        user.iq("bot@bot.test", "<ping xmlns='urn:xmpp:ping'/>", f"p{number}")
        assert user.receive().id == f"p{number}"
    served.bot.wait_for_requests(1)
    assert served.prosody.stop(deadline=5) == 0
    bounces = until_closed(user)
    assert [bounce.id for bounce in bounces] == [f"m{number}" for number in range(20)]
    assert {bounce.error for bounce in bounces} == {"wait/remote-server-timeout"}


def test_two_sigterms(serve):
    served = serve()
    hang_fifty(served)
    served.prosody.terminate()
    assert served.prosody.stop(deadline=5) == 0


@pytest.mark.parametrize("attempt", range(6))
def test_sigterm_under_load(serve, attempt):
    """The handler runs in the middle of whatever Prosody is doing, also within this module."""
    served = serve()
    served.bot.behave(behaviours.echo)
    senders = [served.peer() for _ in range(20)]
    for number in range(50):
        for sender in senders:
            sender.say(served.bot.jid, str(number))
    served.bot.wait_for_requests(100)
    assert served.prosody.stop(deadline=5) == 0
    for sender in senders:
        outcomes = [outcome.id if outcome.error else outcome.body for outcome in until_closed(sender)]
        assert len(outcomes) == len(set(outcomes))


@pytest.mark.parametrize("attempt", range(10))
def test_exit_straight_after_an_exchange(serve, attempt):
    served = serve()
    assert echoes(served)
    assert served.prosody.stop() == 0
