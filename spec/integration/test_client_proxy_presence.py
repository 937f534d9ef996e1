"""The presence of the service, for whoever subscribes to a JID of the proxy's."""

import pytest

from conftest import assert_no_tracebacks
from harness import stanza as stanzas
from harness.client import Component
from harness.config import component
from harness.prosody import COMPONENT_SECRET, Prosody
from harness.target import TargetClient
from harness.waiting import wait_until

SERVICE, BOT = "service@localhost", "bot@proxy.test"
ACCOUNTS = {SERVICE: "secret"}


def hosts(backend):
    return [component("proxy.test", "client_proxy", target_address=SERVICE, proxy_stanzas=["iq", "presence"])]


@pytest.fixture
def resources(prosody, peers):
    """A function that logs a client of the target in. All are told of the first before the test goes on, and of the
    end of the last before the next test does.
    """
    watcher = peers.peer()
    subscribe(watcher)
    opened = []

    def log_in(name, presence=""):
        opened.append(TargetClient(prosody, SERVICE, name, presence))
        if len(opened) == 1:
            assert told(watcher)[0] is None
        return opened[-1]
    yield log_in
    for client in opened:
        if not client.closed.is_set():
            client.leave()
    while opened and told(watcher)[0] != "unavailable":
        pass
    watcher.presence(BOT, "unsubscribe")


def told(peer, sender=BOT):
    """The next presence: its type, and how it shows."""
    presence = peer.receive()
    assert (presence.kind, presence.sender, presence.text("status")) == ("presence", sender, None)
    return presence.type, presence.text("show")


def subscribe(peer, jid=BOT):
    peer.presence(jid, "subscribe")
    assert told(peer, jid) == ("subscribed", None)


def test_subscribers_see_the_service_come_and_go(resources, peers):
    romeo, juliet = peers.peer(), peers.peer()
    subscribe(romeo)
    subscribe(juliet, "proxy.test")
    one = resources("one", "<show>away</show><status>busy</status>")
    assert told(romeo) == told(juliet, "proxy.test") == (None, "away")
    two = resources("two")
    assert told(romeo) == told(juliet, "proxy.test") == (None, None)
    one.leave()
    two.leave()
    assert told(romeo) == told(juliet, "proxy.test") == ("unavailable", None)


def test_changes_within_seconds_are_told_as_one(resources, peer):
    one = resources("one")
    subscribe(peer)
    assert told(peer) == (None, None)
    for show in ("dnd", "xa", "away"):
        one.presence(f"<show>{show}</show>")
    assert told(peer) == (None, "away")
    assert peer.inbox.waiting() == []


def test_who_unsubscribes_is_told_nothing_more(resources, peers):
    romeo, juliet = peers.peer(), peers.peer()
    one = resources("one")
    for peer in (romeo, juliet):
        subscribe(peer)
        assert told(peer) == (None, None)
    romeo.presence(BOT, "unsubscribe")
    assert told(romeo) == ("unavailable", None)
    one.presence("<show>xa</show>")
    assert told(juliet) == (None, "xa")
    romeo.presence(BOT, "probe")
    assert told(romeo) == ("unsubscribed", None)


def test_who_is_gone_is_told_nothing_more(resources, peers):
    gone, juliet = peers.peer(), peers.peer()
    one = resources("one")
    for peer in (gone, juliet):
        subscribe(peer)
        assert told(peer) == (None, None)
    gone.presence(BOT, "error", f"<error type='cancel'><gone xmlns='{stanzas.STANZA_ERRORS}'/></error>")
    one.presence("<show>xa</show>")
    assert told(juliet) == (None, "xa")
    assert gone.inbox.waiting() == []


def test_directed_presence_is_taken_without_a_word(resources, peer):
    resources("one")
    peer.presence(BOT)
    peer.presence(BOT, "unavailable")
    peer.presence(BOT, "probe")
    assert told(peer) == ("unsubscribed", None)


def test_subscribers_outlive_a_restart(tmp_path):
    with Prosody(hosts(None), accounts=ACCOUNTS) as prosody:
        for restarted in (False, True):
            peers = Component(prosody.component_port, "peers.test", COMPONENT_SECRET)
            romeo = peers.peer("romeo@peers.test/orchard")
            if not restarted:
                subscribe(romeo)
            else:
                client = TargetClient(prosody, SERVICE, "one")
                assert told(romeo) == (None, None)
                client.close()
            peers.close()
            assert prosody.stop() == 0
            if not restarted:
                prosody.start()
        assert_no_tracebacks(prosody)


def test_many_subscribers_are_told_while_prosody_serves_others(prosody, resources, peers):
    """Whoever asks meanwhile is answered before all are told."""
    everybody = [peers.peer() for _ in range(400)]
    for peer in everybody:
        subscribe(peer)
    one = resources("one")
    one.answer_all()
    asker = peers.peer()
    wait_until(lambda: everybody[0].inbox.waiting() or everybody[-1].inbox.waiting(), "the first to be told")
    asker.iq("proxy.test")
    assert asker.receive().type == "result"
    one.leave()
