"""Reload, unload and load: exchanges under way are carried over or bounced, and nothing is left behind."""

import contextlib

from harness import behaviours
from harness.admin import ShellError
from harness.behaviours import held
from harness.waiting import wait_until

MODULE = "component_http"
FEW_THREADS = 8


def wait_for_descriptors(prosody, bound):
    """What a component had open is closed with Lua's garbage, at the latest."""
    wait_until(lambda: prosody.descriptors() <= bound, lambda: f"{bound} descriptors, not {prosody.descriptors()}")


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
    assert served.echoes()
    descriptors = None
    for number in range(20):
        served.prosody.reload(MODULE, "bot.test")
        assert served.echoes(str(number))
        descriptors = descriptors or served.prosody.descriptors()
    wait_for_descriptors(served.prosody, descriptors + 3)
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
    assert served.echoes()


def test_reload_takes_a_changed_configuration(serve, backend):
    served = serve(component_post_stanzas=["presence"])
    peer = served.peer()
    peer.presence(served.bot.jid)
    served.bot.wait_for_requests(1)
    served.prosody.reconfigure('{ "presence" }', '{ "message" }')
    served.prosody.reload(MODULE, "bot.test")
    assert served.echoes()


def test_reload_into_an_unusable_configuration_changes_nothing(serve):
    """The component goes on with what it had; the log and, by the reload's failure, the shell say so."""
    served = serve(component_post_timeout=30)
    served.bot.behave(held(behaviours.echo))
    sender = served.peer()
    sender.say(served.bot.jid, "under way")
    served.bot.wait_for_requests(1)
    served.prosody.reconfigure("component_post_timeout = 30", "component_post_timeout = -1")
    result = ""
    with contextlib.suppress(ShellError):
        result = served.prosody.shell(f'module:reload("{MODULE}", "bot.test")')
    assert "1 host" not in result
    served.prosody.wait_for_log("'component_post_timeout' must be a number of seconds from .*: not reloaded",
                                source="bot.test:component_http", level="error")
    served.bot.release()
    assert sender.receive().body == "under way"
    assert served.echoes("afterwards")
    served.prosody.reconfigure("component_post_timeout = -1", "component_post_timeout = 5")
    served.prosody.reload(MODULE, "bot.test")
    assert served.echoes("repaired")
    assert served.prosody.stop() == 0


def test_repaired_configuration_comes_up_with_a_reload(serve):
    served = serve(component_post_timeout=-1)
    served.prosody.reconfigure("component_post_timeout = -1", "component_post_timeout = 5")
    served.prosody.reload(MODULE, "bot.test")
    assert served.echoes()
    assert served.prosody.stop() == 0


def test_unload_bounces_what_is_outstanding(serve):
    served = serve(component_post_concurrency=5)
    served.bot.behave(behaviours.hang)
    senders = [served.peer() for _ in range(10)]
    sent = {sender: sender.say(served.bot.jid) for sender in senders}
    served.bot.wait_for_requests(5)
    served.until_pong()
    served.prosody.unload(MODULE, "bot.test")
    for sender in senders:
        bounced = sender.receive()
        assert (bounced.id, bounced.error) == (sent[sender], "wait/remote-server-timeout")
    wait_until(lambda: served.prosody.threads() == 1, lambda: f"{served.prosody.threads()} threads ended")


def test_prosody_sees_to_others_while_much_is_bounced(serve):
    served = serve()
    served.bot.behave(behaviours.hang)
    peer = served.peer()
    sent = [peer.say(served.bot.jid) for _ in range(5000)]
    served.until_pong()
    served.prosody.unload(MODULE, "bot.test")
    asked = peer.iq("localhost", "<ping xmlns='urn:xmpp:ping'/>")
    received = [peer.receive().id for _ in range(5001)]
    assert received.index(asked) < 5000
    assert [id for id in received if id != asked] == sent


def test_the_end_in_the_middle_of_an_unload(serve):
    """Up to 0.12 the signal's handler runs in the middle of one part."""
    served = serve()
    served.bot.behave(behaviours.hang)
    peer = served.peer()
    sent = [peer.say(served.bot.jid) for _ in range(5000)]
    served.until_pong()
    served.prosody.unload(MODULE, "bot.test")
    assert served.prosody.stop(busy=True) == 0
    bounced = [bounce.id for bounce in peer.inbox.until_closed()]
    assert len(bounced) == len(set(bounced))
    assert set(bounced) <= set(sent)


def test_unloaded_component_is_gone(serve):
    served = serve()
    assert served.echoes()
    served.prosody.unload(MODULE, "bot.test")
    peer = served.peer()
    peer.say(served.bot.jid)
    assert peer.receive().type == "error"
    assert served.prosody.stop() == 0


def test_unload_and_load(serve):
    served = serve()
    descriptors = None
    for number in range(10):
        assert served.echoes(str(number))
        served.prosody.unload(MODULE, "bot.test")
        descriptors = descriptors or served.prosody.descriptors()
        served.prosody.load(MODULE, "bot.test")
    wait_for_descriptors(served.prosody, descriptors + 3)
    assert served.echoes()
    assert served.prosody.stop() == 0


def test_a_shorter_time_out_counts_for_iqs_that_come_after_the_reload(serve):
    """Also for one that is still waiting for its turn then."""
    served = serve(component_post_stanzas=["iq"], component_post_timeout=600, component_post_concurrency=1)
    served.bot.behave(behaviours.hang)
    peer = served.peer()
    before = peer.iq(served.bot.jid)
    served.bot.wait_for_requests(1)
    served.prosody.reconfigure("component_post_timeout = 600", "component_post_timeout = 1")
    served.prosody.reload(MODULE, "bot.test")
    after = peer.iq(served.bot.jid)
    expired = peer.receive()
    assert (expired.id, expired.error) == (after, "wait/remote-server-timeout")
    served.bot.release()
    assert peer.receive().id == before
    assert len(served.bot.requests) == 1
