"""Answers that come bit by bit: each item is sent when it comes, in the conversation's order."""

import contextlib
import itertools
import time

import pytest

from harness import behaviours, bot as bots, schemes
from harness.behaviours import reply, respond
from harness.streams import EVENTS, LINES, Stream, Streams
from harness.waiting import wait_until

LIMIT = 1000


def hosts(backend):
    return [bots.component(backend, component_post_stanzas=["message", "iq"]),
            bots.component(backend, "silent.test", component_post_timeout=0.5),
            bots.component(backend, "short.test", component_post_stream_timeout=0.5),
            bots.component(backend, "small.test", component_post_response_limit=LIMIT)]


def asked(bot, peer, streams=None, **attributes):
    """The answer that has begun to a message."""
    streams = streams or Streams()
    bot.behave(streams)
    peer.say(bot.jid, **attributes)
    return streams.next()


@pytest.mark.parametrize("chunked", [True, False], ids=["chunks", "until close"])
@pytest.mark.parametrize("content_type", [LINES, "application/jsonl; charset=utf-8", EVENTS])
def test_each_item_is_sent_when_it_comes(bot, peer, content_type, chunked):
    stream = asked(bot, peer, Streams(content_type, chunked))
    assert content_type.partition(";")[0] in bot.request().header("accept").split(",")
    for number in range(3):
        stream.send(body=number)
        received = peer.receive()
        assert (received.body, received.sender, received.type) == (str(number), bot.jid, "chat")
    stream.send({"body": "last but one"}, {"body": "last"})
    stream.end()
    assert [peer.receive().body for _ in range(2)] == ["last but one", "last"]
    assert bot.everything_for(peer) == []


def test_events_as_servers_write_them(bot, peer):
    stream = asked(bot, peer, Streams(EVENTS))
    stream.raw(b"\xef\xbb\xbf: welcome\r\n\r\nevent: message\r\nid: 1\r\ndata: {\r\ndata: \"body\":\r\ndata: 1}\r\n\r")
    assert peer.receive().body == "1"
    stream.raw(b"\nretry: 5\ndata:{\"body\":2}\n\n\ndata: [DONE]\n\ndata: {\"body\": \"too late\"}\n\n")
    assert peer.receive().body == "2"
    # The stream has ended, though the response has not.
    assert bot.everything_for(peer) == []


def test_a_last_line_may_lack_its_end(bot, peer):
    bot.behave(respond(200, "\n{\"body\": 1}\r\n\n  {\"body\": 2}", LINES))
    peer.say(bot.jid)
    assert [peer.receive().body for _ in range(2)] == ["1", "2"]
    assert bot.everything_for(peer) == []


def test_the_next_of_the_conversation_waits_for_the_end(bot, peer, peers):
    stream = asked(bot, peer)
    bot.behave(behaviours.echo)
    peer.say(bot.jid, "next")
    other = peers.peer()
    other.say(bot.jid, "other")
    assert other.receive().body == "other"
    stream.send(body="a")
    assert peer.receive().body == "a"
    assert [request.json["body"] for request in bot.requests] == ["hello", "other"]
    stream.send(body="b")
    stream.end()
    assert [peer.receive().body for _ in range(2)] == ["b", "next"]


def test_it_may_take_longer_than_an_answer_may_from_item_to_item(bot_at, peer):
    bot = bot_at("silent.test")
    stream = asked(bot, peer)
    for number in range(8):
        time.sleep(0.1)
        stream.send(body=number)
    stream.end()
    assert [peer.receive().body for _ in range(8)] == [str(number) for number in range(8)]
    assert bot.everything_for(peer) == []


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
def test_over_tls_too(over_each_scheme, scheme):
    peer, bot_of = over_each_scheme
    for chunked in (True, False):
        bot = bot_of(scheme)
        stream = asked(bot, peer, Streams(chunked=chunked))
        for number in range(3):
            stream.send(body=number)
            assert peer.receive().body == str(number)
        stream.send(delta="Good ")
        stream.send(delta="day")
        stream.end()
        assert peer.receive().body == "Good day"
        assert bot.everything_for(peer) == []


@pytest.fixture(scope="module")
def over_each_scheme(peer_of):
    with schemes.backends() as (backends, options):
        sections = [schemes.section(scheme, backend, **options) for scheme, backend in backends.items()]
        with peer_of(sections) as peer:
            yield peer, lambda scheme: schemes.bot(scheme, backends[scheme])


def test_a_connection_is_used_again_after_the_end(over_each_scheme):
    peer, bot_of = over_each_scheme
    bot = bot_of("http")
    bot.start_afresh()
    for content_type in (LINES, EVENTS):
        stream = asked(bot, peer, Streams(content_type))
        stream.send(*([{"body": 1}] if content_type == LINES else [{"body": 1}, "[DONE]"]))
        stream.end()
        assert peer.receive().body == "1"
        bot.behave(reply(body="again"))
        peer.say(bot.jid)
        assert peer.receive().body == "again"
    assert len({request.connection for request in bot.requests}) == 1


def broken_off(bot, prosody, since, pattern):
    bot.complaint(prosody, since, f"the answer broke off: .*{pattern}")


@pytest.mark.parametrize("how", [Stream.break_off, Stream.reset])
def test_a_lost_connection_ends_it_and_what_was_sent_stays(bot, peer, prosody, how):
    since = prosody.log_position()
    stream = asked(bot, peer)
    stream.send(body="a")
    assert peer.receive().body == "a"
    how(stream)
    broken_off(bot, prosody, since, "connection to the service lost")
    assert bot.everything_for(peer) == []
    assert len(bot.requests) == 1


def test_an_event_that_is_cut_off_is_none(bot, peer, prosody):
    since = prosody.log_position()
    stream = asked(bot, peer, Streams(EVENTS, chunked=False))
    stream.raw(b'data: {"body": 1}\n\ndata: {"body": 2}\n')
    stream.end()
    assert peer.receive().body == "1"
    broken_off(bot, prosody, since, "it ended in the middle of an event")
    assert bot.everything_for(peer) == []


@pytest.mark.parametrize("item, reason", [
    ("{", "it is not valid JSON"),
    ('[{"body": 1}]', "it is not a JSON object"),
    ({"to": "@"}, "the address in 'to' is not a valid JID"),
    ({"delta": "a", "body": "b"}, "beside a 'delta' there is 'body'"),
])
def test_a_bad_item_ends_it_and_what_was_sent_stays(bot, peer, prosody, item, reason):
    since = prosody.log_position()
    stream = asked(bot, peer)
    stream.send({"body": "a"}, item, {"body": "c"})
    assert peer.receive().body == "a"
    broken_off(bot, prosody, since, f"the service's answer cannot be used: {reason}")
    assert bot.everything_for(peer) == []
    assert len(bot.requests) == 1


def test_the_limit_is_that_of_an_item(bot_at, peer, prosody):
    bot = bot_at("small.test")
    since = prosody.log_position()
    stream = asked(bot, peer)
    fits = {"body": "x" * (LIMIT - 20)}
    for _ in range(3):
        stream.send(fits)
        assert peer.receive().body == fits["body"]
    stream.send(body="x" * LIMIT)
    broken_off(bot, prosody, since, f"it is too long: more than {LIMIT} bytes")
    stream = asked(bot, peer)
    for _ in range(4):
        stream.send(delta="x" * (LIMIT // 3))
    assert peer.receive().body == "x" * (LIMIT // 3 * 3) + " …"
    assert bot.everything_for(peer) == []


def test_silence_ends_it(bot_at, peer, prosody):
    """Comments are no items."""
    bot = bot_at("silent.test")
    since = prosody.log_position()
    stream = asked(bot, peer, Streams(EVENTS))
    stream.send(body="a")

    def is_over():
        with contextlib.suppress(OSError):
            stream.raw(b": keep-alive\n\n")
        return any("the next item did not come" in line.text for line in prosody.log(since))
    wait_until(is_over, "an end of it")
    broken_off(bot, prosody, since, r"the next item did not come in time \(component_post_timeout\)")
    assert [stanza.body for stanza in bot.everything_for(peer)] == ["a"]


def test_an_endless_one_is_cut_at_its_time(bot_at, peer, prosody):
    bot = bot_at("short.test")
    since = prosody.log_position()

    def endless(exchange):
        exchange.send(behaviours.head(200, [("Content-Type", LINES)]))
        for number in itertools.count():
            exchange.send(b'{"body": %d}\n' % number)
    bot.behave(endless)
    peer.say(bot.jid)
    broken_off(bot, prosody, since, r"it did not end in time \(component_post_stream_timeout\)")
    received = [stanza.body for stanza in bot.everything_for(peer)]
    assert received and received == [str(number) for number in range(len(received))]


def test_a_flood_of_items_keeps_nobody_else_waiting(bot, peer, peers):
    """Neither is anything of it lost."""
    count = 20_000
    bot.behave(respond(200, "".join(f'{{"body": {number}}}\n' for number in range(count)), LINES))
    peer.say(bot.jid)
    assert peer.receive().body == "0"
    other = peers.peer()
    bot.behave(behaviours.echo)
    other.say(bot.jid, "other")
    assert other.receive().body == "other"
    for number in range(1, count):
        assert peer.receive().body == str(number)


def asked_by_iq(bot, peer):
    """The id of an iq, and the answer that has begun to it."""
    streams = Streams()
    bot.behave(streams)
    id = peer.iq(bot.jid)
    stream = streams.next()
    stream.send(body="wait")
    assert peer.receive().body == "wait"
    return id, stream


def test_an_iq_is_answered_in_it(bot, peer):
    asked, stream = asked_by_iq(bot, peer)
    stream.send(stanza="<iq type='result'><done xmlns='urn:example:done'/></iq>")
    answer = peer.receive()
    assert (answer.id, answer.type) == (asked, "result") and answer.child("{urn:example:done}done") is not None
    stream.send(body="after")
    stream.end()
    assert peer.receive().body == "after"


@pytest.mark.parametrize("how, type, error", [
    (Stream.end, "result", None),
    (Stream.reset, "error", "wait/remote-server-timeout"),
    (lambda stream: stream.send("{"), "error", "cancel/internal-server-error"),
])
def test_an_iq_without_its_answer_gets_one(bot, peer, how, type, error):
    asked, stream = asked_by_iq(bot, peer)
    how(stream)
    answer = peer.receive()
    assert (answer.kind, answer.id, answer.type, answer.error) == ("iq", asked, type, error)
    assert bot.everything_for(peer) == []


def test_an_error_is_not_answered(bot, peer):
    bot.behave(respond(200, '{"body": 1}\n', LINES))
    peer.send("message", "<error type='cancel'/>", to=bot.jid, type="error")
    bot.wait_for_requests(1)
    assert bot.everything_for(peer) == []


def test_only_status_200_has_a_stream(bot, peer):
    bot.behave(respond(202, '{"body": 1}\n', LINES))
    peer.say(bot.jid)
    bot.wait_for_requests(1)
    assert bot.everything_for(peer) == []
    bot.behave(respond(404, '{"body": 1}\n', LINES))
    peer.say(bot.jid)
    assert peer.receive().error == "cancel/item-not-found"
