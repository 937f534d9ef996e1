"""Responses that hold more, less or other than HTTP allows: they cost their own exchange, and nobody else's.

Each test runs over plain HTTP and over both versions of TLS, but for those of what lies above either.
"""

import threading

import pytest

from harness import behaviours, schemes
from harness.behaviours import in_turn, raw, respond

TYPE = b"Content-Type: application/json\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + TYPE
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
FORGED = OK + b'Content-Length: 18\r\n\r\n{"body": "forged"}'
HOUR = 3600
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def services():
    with schemes.backends() as services:
        yield services


@pytest.fixture(scope="module")
def prosody_peer(peer_of, services):
    """No time-out of the component's ends what these tests wait for."""
    backends, trust = services
    sections = [schemes.section(scheme, backend, component_post_timeout=HOUR, **trust)
                for scheme, backend in backends.items()]
    with peer_of(sections) as peer:
        yield peer


@pytest.fixture
def peers(prosody_peer):
    return [prosody_peer.component.peer() for _ in range(4)]


@pytest.fixture
def peer(peers):
    return peers[0]


@pytest.fixture(params=schemes.SCHEMES)
def bot(request, services, prosody_peer):
    bot = schemes.bot(request.param, services[0][request.param])
    bot.behave(behaviours.echo)
    yield bot
    bot.release()


over_plain_http = pytest.mark.parametrize("bot", ["http"], indirect=True)


def honest(size):
    """A response of exactly that many octets, its JSON padded with blanks."""
    json = b'{"body": "sent"}'.ljust(size - 200)
    head = OK + b"Content-Length: %d\r\nX-Padding: " % len(json)
    octets = head.ljust(200 - 4, b"p") + b"\r\n\r\n" + json
    assert len(octets) == size
    return octets


def others_get_their_own_answers(bot, peers):
    for number, peer in enumerate(peers):
        peer.say(bot.jid, f"own {number}")
        assert peer.receive().body == f"own {number}"


# More than the response

@pytest.mark.parametrize("size", [500, 8192, 16384, 20000])
@pytest.mark.parametrize("separate", [False, True], ids=["at once", "in a write of its own"])
def test_surplus_reaches_nobody(bot, peers, size, separate):
    sent = threading.Event()

    def overlong(exchange):
        parts = [honest(size), FORGED] if separate else [honest(size) + FORGED]
        for part in parts:
            exchange.send(part)
        sent.set()
    bot.behave(in_turn(overlong, behaviours.echo))
    peers[0].say(bot.jid)
    assert peers[0].receive().body == "sent"
    assert sent.wait(20)
    others_get_their_own_answers(bot, peers[1:])


@pytest.mark.parametrize("size", [500, 8192, 16384])
def test_late_surplus_reaches_nobody(bot, peers, size):
    sent = threading.Event()

    def overlong(exchange):
        exchange.send(honest(size))
        exchange.hang()
        exchange.send(FORGED)
        sent.set()
    bot.behave(in_turn(overlong, behaviours.echo))
    peers[0].say(bot.jid)
    assert peers[0].receive().body == "sent"
    bot.release()
    assert sent.wait(20)
    others_get_their_own_answers(bot, peers[1:])


@pytest.mark.parametrize("status", [204, 304])
def test_body_where_none_is_allowed_reaches_nobody(bot, peers, status):
    def overlong(exchange):
        exchange.send(b"HTTP/1.1 %d Whatever\r\n\r\n" % status + FORGED)
    bot.behave(in_turn(overlong, behaviours.echo))
    peers[0].say(bot.jid)
    others_get_their_own_answers(bot, peers[1:])


@pytest.mark.parametrize("framing", [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"body\": \"sent\"}\r\n0\r\n\r\n",
    b"Content-Length: 16\r\nContent-Length: 20\r\n\r\n{\"body\": \"sent\"}",
], ids=["length and chunks", "two lengths"])
def test_contradictory_framing_reaches_nobody(bot, peers, framing):
    bot.behave(in_turn(lambda exchange: exchange.send(OK + framing + FORGED), behaviours.echo))
    peers[0].say(bot.jid)
    first = peers[0].receive()
    assert first.body == "sent" or first.error == "wait/remote-server-timeout"
    others_get_their_own_answers(bot, peers[1:])


# More than anybody can want

def endless(start, part):
    def behaviour(exchange):
        exchange.send(start)
        while True:
            exchange.send(part)
    return behaviour


LINE = b"X-%s: y\r\n" % (b"x" * 1000)


@pytest.mark.parametrize("behaviour", [
    pytest.param(endless(b"HTTP/1.1 200 ", b"x" * 65536), id="status line"),
    pytest.param(endless(OK, LINE * 60), id="headers"),
    pytest.param(endless(OK + b"X: ", b"x" * 65536), id="header"),
    pytest.param(endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 2000), id="interim responses"),
    pytest.param(endless(b"", b"HTTP/1.1 103 Early Hints\r\n" + LINE * 30 + b"\r\n"), id="early hints"),
    pytest.param(endless(CHUNKED + b"1", b"0" * 65536), id="chunk size"),
    pytest.param(endless(CHUNKED + b"1;", b"x" * 65536), id="chunk extension"),
    pytest.param(endless(CHUNKED, b"1;%s\r\n \r\n" % (b"x" * 1000) * 60), id="chunk extensions"),
    pytest.param(endless(CHUNKED + b'10\r\n{"body": "sent"}\r\n0\r\n', LINE * 60), id="trailers"),
    pytest.param(endless(CHUNKED + b'10\r\n{"body": "sent"}\r\n0\r\nX: ', b"x" * 65536), id="trailer"),
])
def test_endless_part_is_cut_off(bot, peer, prosody_peer, behaviour):
    bot.behave(in_turn(behaviour, behaviours.echo))
    before = prosody_peer.prosody.peak_memory()
    sent = peer.say(bot.jid)
    refused = peer.receive()
    assert (refused.id, refused.error) == (sent, "wait/remote-server-timeout")
    assert prosody_peer.prosody.peak_memory() - before < 8 * MEBIBYTE
    others_get_their_own_answers(bot, [peer])


@over_plain_http
@pytest.mark.parametrize("line", [
    b'10;signature="%s"' % (b"0" * 100), b"0" * 40 + b"10", b"10 ; a ; b=c", b"10;x=" + b"y" * 10_000,
], ids=["signed", "zeros", "blanks", "10 kB"])
def test_long_chunk_size_line(bot, peer, line):
    last = b"0;" + b"z" * 100 + b"\r\nTrailer: x\r\nAnother: y\r\n\r\n"
    octets = CHUNKED + line + b'\r\n{"body": "sent"}\r\n' + last
    for _ in range(3):
        bot.behave(in_turn(lambda exchange: exchange.send(octets), behaviours.echo))
        peer.say(bot.jid)
        assert peer.receive().body == "sent"
    assert len({request.connection for request in bot.requests}) == 1


@over_plain_http
@pytest.mark.parametrize("chunks", [
    b'x\r\n{"body": "sent"}\r\n0\r\n\r\n', b'\r\n\r\n', b'-1\r\n\r\n', b'10\n{"body": "sent"}\n0\n\n',
    b'10\r\n{"body": "sent"}0\r\n\r\n', b"1" + b"0" * 16 + b"\r\n ",
], ids=["no number", "no size", "negative", "LF alone", "no CRLF after the octets", "over 64 bits"])
def test_broken_chunks(bot, peer, chunks):
    bot.behave(lambda exchange: exchange.send(CHUNKED + chunks))
    sent = peer.say(bot.jid)
    refused = peer.receive()
    assert (refused.id, refused.error) == (sent, "wait/remote-server-timeout")


@over_plain_http
@pytest.mark.parametrize("size", [9_000, 30_000, 60_000])
def test_long_head(bot, peer, size):
    bot.behave(respond(200, '{"body": "sent"}', headers=[("X", "v" * size)]))
    peer.say(bot.jid)
    assert peer.receive().body == "sent"


# Less than the response

@pytest.mark.parametrize("octets", [
    b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 202 Accepted\r\n\r\n", OK + b"\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n",
], ids=["200", "202", "JSON", "HTML", "HTTP/1.0"])
def test_empty_body_that_ends_with_the_connection_is_a_lost_connection(bot, peer, octets):
    bot.behave(raw(octets))
    sent = peer.say(bot.jid)
    refused = peer.receive()
    assert (refused.id, refused.error) == (sent, "wait/remote-server-timeout")


@pytest.mark.parametrize("octets", [
    b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
    OK + b"Content-Length: 0\r\n\r\n", CHUNKED + b"0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nthanks",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nthanks",
], ids=["204", "202 of no length", "JSON of no length", "no chunks", "text", "text that breaks off"])
def test_accepted_though_the_connection_ends(bot, peer, octets):
    bot.behave(raw(octets))
    peer.say(bot.jid)
    assert not bot.everything_for(peer)


def test_reply_that_ends_with_the_connection(bot, peer):
    """Over TLS the end says whether it is the body's or somebody else's (RFC 8446 §6.1)."""
    octets = OK + b'\r\n{"body": "sent"}'

    def ended(exchange):
        exchange.send_and_end(octets)
    bot.behave(ended)
    peer.say(bot.jid)
    assert peer.receive().body == "sent"
    bot.behave(raw(octets))
    sent = peer.say(bot.jid)
    second = peer.receive()
    if bot.host == schemes.host("http"):
        assert second.body == "sent"
    else:
        assert (second.id, second.error) == (sent, "wait/remote-server-timeout")


# A body that nobody wants and that does not come

def stalled(start):
    def behaviour(exchange):
        exchange.send(start)
        exchange.hang()
    return behaviour


LENGTH = b"Content-Length: 100\r\n\r\n"
when_it_stalls = pytest.mark.parametrize("body", [b"", b"<p>"], ids=["at once", "half way"])
however_framed = pytest.mark.parametrize("bot, framing", [
    *(pytest.param(scheme, LENGTH, id=f"{scheme}, length") for scheme in schemes.SCHEMES),
    pytest.param("http", b"Transfer-Encoding: chunked\r\n\r\n3\r\n", id="chunks"),
    pytest.param("http", b"\r\n", id="until the end"),
], indirect=["bot"])


@when_it_stalls
@however_framed
def test_error_status_counts_though_its_body_stalls(bot, peer, framing, body):
    bot.behave(stalled(b"HTTP/1.1 404 Not Found\r\n" + framing + body))
    sent = peer.say(bot.jid)
    refused = peer.receive()
    assert (refused.id, refused.error) == (sent, "cancel/item-not-found")


@when_it_stalls
@however_framed
def test_accepted_though_the_body_stalls(bot, peer, framing, body):
    bot.behave(stalled(b"HTTP/1.1 200 Fine\r\nContent-Type: text/html\r\n" + framing + body))
    peer.say(bot.jid)
    assert not bot.everything_for(peer)
