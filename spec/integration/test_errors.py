"""What the sender is told of a status, and of services that cannot be reached, break off or take too long."""

import pytest

from harness import behaviours, bot as bots
from harness.backend import Backend
from harness.behaviours import raw, respond
from harness.config import component
from harness.exchange import reset
from harness.prosody import free_port


def hosts(backend):
    fast = {"component_post_stanzas": ["message", "presence", "iq"], "component_post_timeout": 1.5}
    return [
        bots.component(backend, component_post_stanzas=["message", "presence", "iq"]),
        bots.component(backend, "fast.test", **fast),
        component("closed.test", component_post_url=f"http://127.0.0.1:{free_port()}/"),
        component("nowhere.test", component_post_url="http://no-such-host.invalid/"),
        component("abrupt.test", component_post_url=f"{ABRUPT.url}/abrupt.test",
                  component_post_stanzas=["message", "iq"]),
    ]


def reset_at_once(connection, _):
    """Resets a connection before a single byte is read."""
    reset(connection)
    return False


ABRUPT = Backend(on_connection=reset_at_once)


@pytest.fixture(scope="module", autouse=True)
def abrupt():
    with ABRUPT:
        yield


# The whole table is in src/component_http/failure.rs.

@pytest.mark.parametrize("status, error", [
    (404, "cancel/item-not-found"), (429, "wait/resource-constraint"), (599, "cancel/internal-server-error")])
def test_status(bot, peer, status, error):
    bot.behave(respond(status, "<p>why</p>", "text/html"))
    sent = peer.say("x@bot.test/y")
    refused = peer.receive()
    assert refused.error == error
    assert (refused.kind, refused.id, refused.sender, refused.to) == ("message", sent, "x@bot.test/y", peer.jid)


@pytest.mark.parametrize("kind", ["presence", "iq"])
def test_status_for_other_kinds(bot, peer, kind):
    bot.behave(respond(503))
    sent = peer.send(kind, "<q xmlns='urn:example:q'/>", to=bot.jid, type="get" if kind == "iq" else None)
    refused = peer.receive()
    assert (refused.kind, refused.id, refused.sender) == (kind, sent, bot.jid)
    assert refused.error == "wait/remote-server-timeout"


def test_json_of_an_error_is_not_sent(bot, peer):
    bot.behave(respond(404, '{"body": "not sent"}'))
    peer.say(bot.jid)
    assert peer.receive().error == "cancel/item-not-found"
    assert not bot.everything_for(peer)


def test_redirects_are_not_followed(bot, peer):
    bot.behave(respond(302, headers=[("Location", bot.endpoint.url)]))
    peer.say(bot.jid)
    assert peer.receive().error == "cancel/service-unavailable"
    assert not bot.everything_for(peer)
    assert len(bot.requests) == 1


def test_failure_is_logged(bot, peer, prosody):
    position = prosody.log_position()
    bot.behave(respond(503))
    peer.say(bot.jid)
    peer.receive()
    bot.complaint(prosody, position, "503")


def test_service_that_is_down_does_not_fill_the_log(prosody, bot_at, peer):
    """The first failure is a warning; the same again is a debug line for a minute."""
    fast = bot_at("fast.test")
    position = prosody.log_position()
    fast.behave(respond(507))
    for _ in range(30):
        peer.say(fast.jid)
    for _ in range(30):
        assert peer.receive().error == "wait/resource-constraint"
    levels = [line.level for line in prosody.log(position)
              if line.source == fast.source and "HTTP status 507" in line.text]
    assert levels == ["warn"] + ["debug"] * 29


SAY_NOTHING = {
    "chat state": "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
    "chat state of a thread": "<thread>t</thread><composing xmlns='http://jabber.org/protocol/chatstates'/>",
    "receipt and hint": "<received xmlns='urn:xmpp:receipts' id='1'/><store xmlns='urn:xmpp:hints'/>",
    "marker and id": "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/><origin-id xmlns='urn:xmpp:sid:0' id='2'/>",
}


@pytest.mark.parametrize("content", SAY_NOTHING.values(), ids=SAY_NOTHING)
def test_message_that_says_nothing_gets_no_error(bot, peer, prosody, content):
    position = prosody.log_position()
    bot.behave(respond(503))
    peer.send("message", content, to=bot.jid, type="chat")
    bot.complaint(prosody, position, "503")
    assert not bot.everything_for(peer)


def test_message_that_asks_for_a_receipt_gets_an_error(bot, peer):
    bot.behave(respond(503))
    peer.send("message", "<request xmlns='urn:xmpp:receipts'/>", to=bot.jid, type="chat")
    assert peer.receive().error == "wait/remote-server-timeout"


# No connection

@pytest.mark.parametrize("host", ["closed.test", "nowhere.test", "abrupt.test"])
def test_service_that_cannot_be_reached(prosody, peer, host):
    for _ in range(3):
        sent = peer.say(f"bot@{host}")
        refused = peer.receive()
        assert (refused.id, refused.error) == (sent, "wait/remote-server-timeout")


def test_iq_to_a_service_that_breaks_off_gets_one_answer(prosody, peer):
    ids = {peer.iq("bot@abrupt.test") for _ in range(5)}
    answers = [peer.receive() for _ in ids]
    assert {answer.id for answer in answers} == ids
    assert {answer.error for answer in answers} == {"wait/remote-server-timeout"}


# Time-out

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def stall_after(octets):
    def behaviour(exchange):
        exchange.send(octets)
        exchange.hang()
    return behaviour


STALLS = {
    "no answer": behaviours.hang,
    "within the status line": stall_after(b"HTTP/1.1 200"),
    "within the headers": stall_after(JSON),
    "before the body": stall_after(JSON + b"Content-Length: 15\r\n\r\n"),
    "within the body": stall_after(JSON + b"Content-Length: 15\r\n\r\n{\"bo"),
    "between chunks": stall_after(JSON + b"Transfer-Encoding: chunked\r\n\r\n4\r\n{\"bo\r\n"),
    "before the end": stall_after(JSON + b"\r\n{\"body\": \"x\"}"),
    "trickling body": behaviours.trickle(JSON + b"Content-Length: 400\r\n\r\n" + b" " * 400),
    "trickling headers": behaviours.trickle(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 400),
    "after an interim response": stall_after(b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("kind", ["message", "iq"])
def test_time_out(bot_at, peers, kind):
    """All of them side by side."""
    fast = bot_at("fast.test")
    fast.behave(lambda exchange: STALLS[exchange.request.json["id"]](exchange))
    waiting = {stall: peers.peer() for stall in STALLS}
    for stall, peer in waiting.items():
        peer.send(kind, "<q xmlns='urn:example:q'/>", to=fast.jid, type="get" if kind == "iq" else None, id=stall)
    for stall, peer in waiting.items():
        refused = peer.receive()
        assert (refused.kind, refused.id, refused.error) == (kind, stall, "wait/remote-server-timeout"), stall
    for peer in waiting.values():
        assert not fast.everything_for(peer)
    assert sorted(request.json["id"] for request in fast.requests) == sorted(STALLS)


# Connection lost

@pytest.mark.parametrize("behaviour", [
    pytest.param(behaviours.close, id="closed without an answer"),
    pytest.param(behaviours.reset, id="reset without an answer"),
    pytest.param(raw(b"HTTP/1.1 20"), id="closed within the status line"),
    pytest.param(raw(JSON), id="closed within the headers"),
    pytest.param(raw(JSON + b"Content-Length: 15\r\n\r\n"), id="closed before the body"),
    pytest.param(raw(JSON + b"Content-Length: 16\r\n\r\n{\"body\": \"part"), id="closed within the body"),
    pytest.param(raw(JSON + b"Content-Length: 99\r\n\r\n{\"body\": \"whole\"}"), id="complete JSON, short body"),
    pytest.param(raw(JSON + b"Transfer-Encoding: chunked\r\n\r\nf\r\n{\"body\": \"ab"), id="closed within a chunk"),
    pytest.param(behaviours.chunked('{"body": "whole"}', ending=b""), id="closed before the last chunk"),
    pytest.param(behaviours.reset_after(JSON + b"Content-Length: 16\r\n\r\n{\"bo"), id="reset within the body"),
    pytest.param(behaviours.reset_after(b"HTTP/1.1 2"), id="reset within the status line"),
])
def test_connection_lost(bot, peer, behaviour):
    bot.behave(behaviour)
    sent = peer.say(bot.jid)
    refused = peer.receive()
    assert (refused.id, refused.error) == (sent, "wait/remote-server-timeout")
    assert not bot.everything_for(peer)
    assert len(bot.requests) == 1


# No HTTP at all

@pytest.mark.parametrize("octets", [
    b"\x00\x01\x02\x03" * 20, b"SSH-2.0-OpenSSH_9.2\r\n", b"220 mail.example.com ESMTP\r\n\r\n", b"\r\n\r\n\r\n",
    b"{\"body\": \"no header\"}", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n",
    b"\x15\x03\x01\x00\x02\x02\x16", b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300000 + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
    JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    JSON + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    JSON + b"Content-Length: abc\r\n\r\n{\"body\": \"x\"}", JSON + b"Content-Length: -5\r\n\r\n{\"body\": \"x\"}",
], ids=lambda octets: repr(octets[:60]))
def test_peer_that_does_not_speak_http(bot, peer, octets):
    bot.behave(raw(octets))
    sent = peer.say(bot.jid)
    refused = peer.receive()
    assert (refused.id, refused.error) == (sent, "wait/remote-server-timeout")
    assert not bot.everything_for(peer)
    assert len(bot.requests) == 1
