"""Messages that grow while their text comes bit by bit, and what becomes of them when something intervenes."""

import pytest

from harness import behaviours, bot as bots
from harness.streams import EVENTS, Streams
from harness.user import SlixmppUser
from harness.waiting import wait_until
from limits import needs_flush_at_exit

ALICE = "alice@localhost"
ACCOUNTS = {ALICE: "secret"}
MODULE = "component_http"
CORRECTION, HINT = "{urn:xmpp:message-correct:0}replace", "{urn:xmpp:hints}no-store"


def hosts(backend):
    return [bots.component(backend)]


def begun(bot, peer, **attributes):
    streams = Streams()
    bot.behave(streams)
    peer.say(bot.jid, **attributes)
    return streams.next()


def version(peer):
    """The next version: its text, its id, which one it corrects, and whether it is to be stored."""
    received = peer.receive()
    replaced = received.child(CORRECTION)
    corrects = replaced.get("id") if replaced is not None else None
    return received.body, received.id, corrects, received.child(HINT) is None


def test_it_is_corrected_as_it_grows(bot, peer):
    stream = begun(bot, peer)
    stream.send({"delta": "Once"}, {"delta": " upon"})
    text, first, corrects, is_stored = version(peer)
    assert (text, corrects, is_stored) == ("Once upon", None, False)
    ids = {first}
    for word in ("a", "time"):
        stream.send(delta=f" {word}")
        text, id, corrects, is_stored = version(peer)
        assert (text.rpartition(" ")[2], corrects, is_stored) == (word, first, False)
        ids.add(id)
    stream.end()
    text, id, corrects, is_stored = version(peer)
    assert (text, corrects, is_stored) == ("Once upon a time", first, True)
    assert len(ids | {id}) == 4
    assert bot.everything_for(peer) == []


def test_what_comes_at_once_is_sent_once(bot, peer):
    stream = begun(bot, peer)
    stream.send(*({"delta": letter} for letter in "Hello"))
    stream.end()
    text, _, corrects, is_stored = version(peer)
    assert (text, corrects, is_stored) == ("Hello", None, True)
    assert bot.everything_for(peer) == []


def test_it_is_whole_with_the_first_item_that_is_no_part_of_it(bot, peer):
    stream = begun(bot, peer)
    stream.send({"delta": "It", "thread": "t"}, {"delta": " is", "thread": "t"})
    _, first, _, _ = version(peer)
    stream.send({"delta": " raining."}, {"body": "https://example.com/rain.jpg"}, {"delta": "Really."})
    text, _, corrects, is_stored = version(peer)
    assert (text, corrects, is_stored) == ("It is raining.", first, True)
    assert peer.receive().body == "https://example.com/rain.jpg"
    stream.end()
    text, second, corrects, _ = version(peer)
    assert (text, corrects) == ("Really.", None)
    assert second != first


def test_a_room_gets_it_whole(bot, peers):
    room = peers.peer("room@peers.test/alice")
    stream = begun(bot, room, type="groupchat")
    stream.send({"delta": "Hello, "})
    stream.send({"delta": "all"})
    stream.end()
    received = room.receive()
    assert (received.body, received.to, received.type) == ("Hello, all", "room@peers.test", "groupchat")
    assert received.child(CORRECTION) is None and received.child(HINT) is None


def test_it_takes_an_answer_that_comes_bit_by_bit(bot, peer):
    bot.behave(behaviours.not_as_described(behaviours.reply(delta="Hello")))
    peer.say(bot.jid)
    received = peer.receive()
    assert received.error == "cancel/internal-server-error"
    assert "can only be part of an answer that comes bit by bit" in received.error_text


@pytest.mark.parametrize("sent", [True, False])
def test_one_that_breaks_off_says_so(bot, peer, prosody, sent):
    since = prosody.log_position()
    stream = begun(bot, peer)
    stream.send(delta="Once")
    first = version(peer)[1] if sent else None
    stream.send(delta=" upon")
    stream.reset()
    text, _, corrects, is_stored = version(peer)
    while not text.endswith("…"):
        text, _, corrects, is_stored = version(peer)
    assert (text, corrects, is_stored) == ("Once upon …", first, True)
    bot.complaint(prosody, since, "the answer broke off: connection to the service lost")
    assert bot.everything_for(peer) == []


def test_a_client_shows_it_as_one_message_that_grows(bot, prosody):
    streams = Streams(EVENTS)
    bot.behave(streams)
    with SlixmppUser(prosody.c2s_port, ALICE, "secret", ("xep_0308", "xep_0334"), ("message_correction",)) as alice:
        alice.call("send_message", mto=bot.jid, mbody="Tell me a story", mtype="chat")
        stream = streams.next()
        stream.send(delta="Once")
        first = alice.wait_for("message")
        assert first["body"] == "Once"
        stream.send(delta=" upon a time")
        assert alice.wait_for("message_correction")["replace"]["id"] == first["id"]
        stream.send("[DONE]")
        last = alice.wait_for("message_correction", lambda message: message.xml.find(HINT) is None)
        assert (last["body"], last["replace"]["id"]) == ("Once upon a time", first["id"])


# In the middle of an answer

def half_told(served, peer, **attributes):
    """An answer of which the first version of its message was sent."""
    stream = begun(served.bot, peer, **attributes)
    stream.send(delta="Once")
    first = version(peer)[1]
    stream.send(delta=" upon")
    return stream, first


def last_version(peer, first):
    """The text of the last version; between it and the first may be others."""
    text, _, corrects, is_stored = version(peer)
    while not is_stored:
        text, _, corrects, is_stored = version(peer)
    assert corrects == first
    return text


def test_a_reload_lets_it_go_on(serve):
    served = serve()
    peer = served.peer()
    stream, first = half_told(served, peer)
    served.prosody.reload(MODULE, "bot.test")
    stream.send(delta=" a time")
    stream.end()
    assert last_version(peer, first) == "Once upon a time"
    assert served.bot.everything_for(peer) == []
    assert served.prosody.stop() == 0


def test_an_unload_ends_it_with_what_there_is(serve):
    served = serve()
    peer, room, silent = served.peer(), served.component.peer("room@peers.test/alice"), served.peer()
    stream, first = half_told(served, peer)
    of_room = begun(served.bot, room, type="groupchat")
    of_room.send(delta="Hello")
    of_silent = begun(served.bot, silent)
    # The room's text has been read by then: it was sent a second before.
    wait_until(lambda: version(peer)[0] == "Once upon", "the text so far")
    served.prosody.unload(MODULE, "bot.test")
    assert last_version(peer, first) == "Once upon …"
    received = room.receive()
    assert (received.body, received.type) == ("Hello …", "groupchat")
    for each in (stream, of_room, of_silent):
        with pytest.raises(OSError):
            while True:
                each.send(delta="too late")
    served.prosody.load(MODULE, "bot.test")
    for each in (peer, silent):
        assert served.bot.everything_for(each) == []
    assert served.prosody.stop() == 0


@needs_flush_at_exit
def test_a_stop_ends_it_with_what_there_is(serve):
    served = serve()
    peer = served.peer()
    _, first = half_told(served, peer)
    wait_until(lambda: version(peer)[0] == "Once upon", "the text so far")
    assert served.prosody.stop() == 0
    assert last_version(peer, first) == "Once upon …"
