"""SIGTERM: everything outstanding is bounced, the exit status is 0, and it does not take long."""

import pytest

from harness import behaviours
from limits import needs_flush_at_exit


def hang_fifty(served):
    served.bot.behave(behaviours.hang)
    user = served.alice()
    ids = {f"hung-{number}" for number in range(50)}
    for id in ids:
        user.message(f"{id}@bot.test", "<body>hello</body>", type="chat", id=id)
    served.bot.wait_for_requests(50)
    return user, ids


@needs_flush_at_exit
def test_sigterm_with_fifty_hung_exchanges(serve, daemonise):
    served = serve(daemonise=daemonise)
    user, ids = hang_fifty(served)
    assert served.prosody.stop(deadline=5) == 0
    bounces = user.inbox.until_closed()
    assert {bounce.id for bounce in bounces} == ids
    assert len(bounces) == 50
    assert {bounce.error for bounce in bounces} == {"wait/remote-server-timeout"}


@needs_flush_at_exit
def test_sigterm_bounces_what_waits_too(serve):
    served = serve(component_post_concurrency=1)
    served.bot.behave(behaviours.hang)
    user = served.alice()
    for number in range(20):
        user.message("bot@bot.test", f"<body>{number}</body>", id=f"m{number}")
        user.iq("bot@bot.test", "<ping xmlns='urn:xmpp:ping'/>", f"p{number}")
        assert user.receive().id == f"p{number}"
    served.bot.wait_for_requests(1)
    assert served.prosody.stop(deadline=5) == 0
    bounces = user.inbox.until_closed()
    assert [bounce.id for bounce in bounces] == [f"m{number}" for number in range(20)]
    assert {bounce.error for bounce in bounces} == {"wait/remote-server-timeout"}


@needs_flush_at_exit
def test_sigterm_bounces_reach_an_external_component(serve):
    """Some versions end without writing what is buffered for it."""
    served = serve()
    served.bot.behave(behaviours.hang)
    peer = served.peer()
    sent = [peer.say(f"bot{number}@bot.test") for number in range(50)]
    served.bot.wait_for_requests(50)
    assert served.prosody.stop() == 0
    bounces = peer.inbox.until_closed()
    assert sorted(bounce.id for bounce in bounces) == sorted(sent)
    assert {bounce.error for bounce in bounces} == {"wait/remote-server-timeout"}


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
    assert served.prosody.stop(deadline=5, busy=True) == 0
    for sender in senders:
        outcomes = [outcome.id if outcome.error else outcome.body for outcome in sender.inbox.until_closed()]
        assert len(outcomes) == len(set(outcomes))


@pytest.mark.parametrize("attempt", range(10))
def test_exit_straight_after_an_exchange(serve, attempt):
    served = serve()
    assert served.echoes()
    assert served.prosody.stop(busy=True) == 0
