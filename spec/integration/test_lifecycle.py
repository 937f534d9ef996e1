"""Foreground and daemon, threads that come and go, and several components side by side."""

from harness import behaviours, bot as bots
from harness.behaviours import held, reply
from harness.bot import Bot
from harness.waiting import wait_until

FEW_THREADS = 8


def test_serves_and_ends_cleanly(serve, daemonise):
    served = serve(daemonise=daemonise)
    for number in range(20):
        assert served.echoes(str(number))
    assert served.prosody.stop() == 0


def test_ends_cleanly_without_ever_having_served(serve, daemonise):
    assert serve(daemonise=daemonise).prosody.stop() == 0


def test_no_thread_before_the_first_stanza(serve, daemonise):
    served = serve(daemonise=daemonise)
    assert served.prosody.threads() == 1
    assert served.echoes()
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
    assert served.echoes()


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
    assert served.echoes()
    assert all(len(other.requests) == 1 for other in others)
    assert served.prosody.stop() == 0


def test_unloading_one_component_leaves_the_others_alone(serve, backend):
    served = serve(bots.component(backend, "other.test"))
    other = Bot(backend, "other.test")
    other.behave(held(behaviours.echo))
    peer = served.peer()
    peer.say(other.jid)
    other.wait_for_requests(1)
    served.prosody.unload("component_http", "bot.test")
    other.release()
    assert peer.receive().body == "hello"
