"""HTTP as services really speak it, and connections that are kept, closed and lost while idle."""

import time

import pytest

from harness import behaviours, bot as bots
from harness.behaviours import chunked, in_turn, raw, reply, respond

JSON = b'{"body": "sent"}'
TYPE = b"Content-Type: application/json\r\n"


def hosts(backend):
    return [bots.component(backend), bots.component(backend, "single.test", component_post_concurrency=1)]


def slowly(octets):
    return behaviours.trickle(octets, pause=0.002)


@pytest.mark.parametrize("behaviour", [
    pytest.param(chunked(JSON), id="chunked"),
    pytest.param(chunked(JSON, size=1), id="chunks of one octet"),
    pytest.param(chunked(JSON, ending=b"0\r\nX-Trailer: x\r\n\r\n"), id="chunked with a trailer"),
    pytest.param(raw(b"HTTP/1.1 200 OK\r\n" + TYPE + b"Transfer-Encoding: chunked\r\n\r\n10;ext=\"a\"\r\n" + JSON
                     + b"\r\n0\r\n\r\n"), id="chunk extension"),
    pytest.param(raw(b"HTTP/1.0 200 OK\r\n" + TYPE + b"\r\n" + JSON), id="HTTP/1.0 without a length"),
    pytest.param(raw(b"HTTP/1.0 200 OK\r\n" + TYPE + b"Content-Length: 16\r\n\r\n" + JSON),
                 id="HTTP/1.0 with a length"),
    pytest.param(raw(b"HTTP/1.1 200 OK\r\n" + TYPE + b"\r\n" + JSON), id="HTTP/1.1 until the end"),
    pytest.param(raw(b"HTTP/1.1 200\r\n" + TYPE + b"Content-Length: 16\r\n\r\n" + JSON), id="no reason phrase"),
    pytest.param(raw(b"HTTP/1.1 200 Na sch\xf6n\r\n" + TYPE + b"Content-Length: 16\r\n\r\n" + JSON),
                 id="Latin-1 reason"),
    pytest.param(raw(b"HTTP/1.1 200 OK\r\ncontent-type:application/json\r\ncontent-length:16\r\n\r\n" + JSON),
                 id="lower-case headers"),
    pytest.param(raw(b"HTTP/1.1 200 OK\r\nX: \xe9\r\n" + TYPE + b"Content-Length: 16\r\n\r\n" + JSON),
                 id="Latin-1 header"),
    pytest.param(raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" + TYPE + b"Content-Length: 16\r\n\r\n" + JSON),
                 id="100 before"),
    pytest.param(raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n" + TYPE
                     + b"Content-Length: 16\r\n\r\n" + JSON), id="103 before"),
    pytest.param(slowly(b"HTTP/1.1 200 OK\r\n" + TYPE + b"Content-Length: 16\r\n\r\n" + JSON), id="octet by octet"),
    pytest.param(respond(200, JSON, headers=[("Connection", "close")]), id="Connection: close announced"),
    pytest.param(respond(200, JSON, headers=[(f"X-{n}", "v" * 50) for n in range(50)]), id="fifty headers"),
    pytest.param(respond(200, JSON, headers=[("X", "v" * 30_000)]), id="a head of 30 kB"),
    pytest.param(respond(200, JSON, headers=[("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")]), id="cookies"),
])
def test_reply_however_it_is_framed(bot, peer, behaviour):
    bot.behave(behaviour)
    peer.say(bot.jid)
    assert peer.receive().body == "sent"
    assert not bot.everything_for(peer)


def test_cookies_are_not_sent_back(bot, peer):
    bot.behave(respond(200, JSON, headers=[("Set-Cookie", "session=1")]))
    for _ in range(2):
        peer.say(bot.jid)
        peer.receive()
    assert [request.header("cookie") for request in bot.requests] == [None, None]


# Connections

def test_connections_are_reused(bot, peer):
    bot.behave(behaviours.echo)
    for number in range(20):
        peer.say(bot.jid, str(number))
        assert peer.receive().body == str(number)
    assert len({request.connection for request in bot.requests}) < 5


@pytest.mark.parametrize("status", [204, 200, 201, 404, 500])
def test_connections_are_reused_after_any_status(bot_at, peer, status):
    single = bot_at("single.test")
    single.behave(respond(status))
    for _ in range(5):
        peer.say(single.jid)
    single.everything_for(peer)
    assert len({request.connection for request in single.requests}) == 1


@pytest.mark.parametrize("headers, connections", [
    pytest.param([], 2, id="it does not say"),
    pytest.param([("Keep-Alive", "timeout=30, max=100")], 1, id="long"),
])
def test_idle_connection_is_kept_as_long_as_the_service_keeps_it(bot_at, peer, headers, connections):
    """Common servers that do not say close theirs after two seconds, or five."""
    single = bot_at("single.test")
    single.behave(respond(200, headers=headers))
    for pause in (0, 1.6):
        time.sleep(pause)
        peer.say(single.jid)
        single.everything_for(peer)
    assert len({request.connection for request in single.requests}) == connections


@pytest.mark.parametrize("timeout", [0, 1])
def test_connection_that_the_service_hardly_keeps_is_not_reused(bot_at, peer, timeout):
    single = bot_at("single.test")
    single.behave(respond(204, headers=[("Keep-Alive", f"timeout={timeout}")]))
    for number in range(1, 4):
        peer.say(single.jid)
        single.wait_for_requests(number)
    assert len({request.connection for request in single.requests}) == 3


def served_then_closed(exchange):
    behaviours.echo(exchange)
    exchange.close()


def test_idle_connection_closed_by_the_service(bot_at, peer, backend):
    """A server that is restarted, or whose keep-alive ran out: the next message is delivered, and once."""
    single = bot_at("single.test")
    for number in range(30):
        single.behave(served_then_closed)
        peer.say(single.jid, str(number))
        assert peer.receive().body == str(number)
        backend.wait_until_closed(single.requests[-1].connection)
    assert [request.json["body"] for request in single.requests] == [str(number) for number in range(30)]


def test_idle_connections_closed_all_at_once(bot, peers, backend):
    senders = [peers.peer() for _ in range(20)]
    for round in range(5):
        bot.behave(behaviours.echo)
        for sender in senders:
            sender.say(bot.jid, f"{sender.jid} {round}")
        for sender in senders:
            assert sender.receive().body == f"{sender.jid} {round}"
        backend.close_connections()
        backend.wait_until_closed()
    bodies = [request.json["body"] for request in bot.requests]
    assert len(bodies) == len(set(bodies)) == 100


def test_connections_closed_right_after_each_response(bot, peers):
    """The close races with the next request: whatever wins, every message has one outcome and at most one POST."""
    bot.behave(served_then_closed)
    senders = [peers.peer() for _ in range(10)]
    for number in range(20):
        for sender in senders:
            sender.say(bot.jid, f"{sender.jid} {number}")
    outcomes = [sender.receive() for sender in senders for _ in range(20)]
    bodies = [request.json["body"] for request in bot.requests]
    assert len(bodies) == len(set(bodies)), "a message was POSTed twice"
    for outcome in outcomes:
        assert outcome.body or outcome.error == "wait/remote-server-timeout"
    replied = [outcome.body for outcome in outcomes if outcome.error is None]
    assert sorted(replied) == sorted(bodies)


@pytest.mark.parametrize("ending", [behaviours.reset, behaviours.close], ids=["reset", "close"])
def test_reused_connection_lost_after_the_request_was_read(bot_at, peer, ending):
    """The service may have acted on it: it is not sent again, and the sender is told."""
    single = bot_at("single.test")
    single.behave(in_turn(behaviours.echo, ending, behaviours.echo))
    peer.say(single.jid, "first")
    assert peer.receive().body == "first"
    sent = peer.say(single.jid, "second")
    refused = peer.receive()
    assert (refused.id, refused.error) == (sent, "wait/remote-server-timeout")
    peer.say(single.jid, "third")
    assert peer.receive().body == "third"
    assert [request.json["body"] for request in single.requests] == ["first", "second", "third"]
    assert single.requests[1].number_on_connection > 1


def test_unread_rest_of_a_response_does_not_reach_the_next(bot_at, peer):
    """A body longer than announced must not be taken for the next exchange's response."""
    single = bot_at("single.test")
    forged = b"HTTP/1.1 200 OK\r\n" + TYPE + b'Content-Length: 18\r\n\r\n{"body": "forged"}'
    honest = b"HTTP/1.1 200 OK\r\n" + TYPE + b"Content-Length: 16\r\n\r\n" + JSON

    def overlong(exchange):
        exchange.send(honest + forged)
    single.behave(in_turn(overlong, reply(body="second")))
    peer.say(single.jid)
    assert peer.receive().body == "sent"
    peer.say(single.jid)
    second = peer.receive()
    assert second.body != "forged"
    assert second.body == "second" or second.error == "wait/remote-server-timeout"
