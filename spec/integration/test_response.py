"""What the service may answer: no reply, one object, several, and a whole stanza."""

import json

import pytest

from harness import behaviours, bot as bots, stanza as stanzas
from harness.behaviours import reply, respond
from harness.client import User
from harness.user import SlixmppUser

ACCOUNTS = {"alice@localhost": "secret", "bob@localhost": "secret"}


def hosts(backend):
    return [
        bots.component(backend, component_post_stanzas=["message", "presence", "iq"]),
        bots.component(backend, "open.test", validate_from_addresses=False),
    ]


# No reply

@pytest.mark.parametrize("status, body", [(201, '{"body": "not sent"}'), (204, "")])
def test_any_other_2xx_means_accepted(bot, peer, status, body):
    bot.behave(respond(status, body))
    peer.say(bot.jid)
    bot.request()
    assert not bot.everything_for(peer)


@pytest.mark.parametrize("media_type", [None, "text/json", ""])
def test_200_that_is_no_json_means_accepted(bot, peer, media_type):
    bot.behave(respond(200, '{"body": "not sent"}', media_type))
    peer.say(bot.jid)
    bot.request()
    assert not bot.everything_for(peer)


@pytest.mark.parametrize("body", ["", "{}"])
def test_200_with_nothing_in_it_means_accepted(bot, peer, body):
    bot.behave(respond(200, body))
    peer.say(bot.jid)
    bot.request()
    assert not bot.everything_for(peer)


# Media types of a reply. All of them are in src/component_http/response.rs.

@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "application/json; title=\"Grüße\""])
def test_200_with_json_is_a_reply(bot, peer, media_type):
    bot.behave(respond(200, '{"body": "sent"}', media_type))
    peer.say(bot.jid)
    assert peer.receive().body == "sent"


def test_byte_order_mark_before_json_is_ignored(bot, peer):
    bot.behave(respond(200, b'\xef\xbb\xbf{"body": "sent"}'))
    peer.say(bot.jid)
    assert peer.receive().body == "sent"


# Defaults

def test_defaults_of_a_message(bot, peer):
    bot.behave(reply(body="hi"))
    sent = peer.say("x@bot.test/y", type="normal")
    received = peer.receive()
    assert (received.kind, received.type) == ("message", "chat")
    assert (received.to, received.sender) == (peer.jid, "x@bot.test/y")
    assert received.id and received.id != sent
    assert [child.tag.rpartition("}")[2] for child in received.element] == ["body"]


def test_ids_are_fresh(bot, peer):
    bot.behave(reply({"body": "a"}, {"body": "b"}))
    for _ in range(5):
        peer.say(bot.jid)
    ids = {peer.receive().id for _ in range(10)}
    assert len(ids) == 10
    assert all(len(id) >= 8 for id in ids)


def test_reply_to_groupchat_goes_to_the_bare_room(bot, peers):
    room = peers.peer("room1@peers.test/alice")
    bot.behave(reply(body="hi all"))
    room.say("bot@bot.test/nick", type="groupchat")
    received = room.receive()
    assert (received.to, received.type, received.body) == ("room1@peers.test", "groupchat", "hi all")
    assert received.sender == "bot@bot.test/nick"


def test_defaults_of_a_presence(bot, peer):
    bot.behave(reply(kind="presence"))
    peer.say(bot.jid)
    received = peer.receive()
    assert (received.kind, received.type, received.to, received.sender) == ("presence", None, peer.jid, bot.jid)
    assert received.id


def test_defaults_of_an_iq(bot, peer):
    bot.behave(reply(kind="iq"))
    sent = peer.iq(bot.jid)
    received = peer.receive()
    assert (received.kind, received.type, received.id) == ("iq", "result", sent)
    assert (received.to, received.sender) == (peer.jid, bot.jid)
    assert not bot.everything_for(peer)


def test_null_means_absent(bot, peer):
    bot.behave(reply(body="hi", to=None, type=None, stanza=None))
    peer.say(bot.jid)
    received = peer.receive()
    assert (received.to, received.type, received.body) == (peer.jid, "chat", "hi")


def test_unknown_properties_are_left_alone(bot, peer):
    bot.behave(reply(body="hi", future={"a": [1]}))
    peer.say(bot.jid)
    assert peer.receive().body == "hi"


# Each property

def test_to(bot, peer, peers):
    other = peers.peer()
    bot.behave(reply(to=other.jid, body="for another"))
    peer.say(bot.jid)
    received = other.receive()
    assert (received.body, received.sender) == ("for another", bot.jid)
    assert not bot.everything_for(peer)


@pytest.mark.parametrize("sender", ["bot.test", "other@bot.test/r"])
def test_from(bot, peer, sender):
    bot.behave(reply(**{"from": sender, "body": "hi"}))
    peer.say(bot.jid)
    assert peer.receive().sender == sender


def test_addresses_are_prepared(bot, peer):
    to = peer.jid.upper().replace("DESK", "desk")
    bot.behave(reply(**{"from": "OTHER@Bot.Test/Resource", "to": to, "body": "hi"}))
    peer.say(bot.jid)
    received = peer.receive()
    assert (received.to, received.sender) == (peer.jid, "other@bot.test/Resource")


@pytest.mark.parametrize("node, resource", [
    ("\U0001f916", "\U0001f4f1 \U0001f469\U0001f3fd"),
    ("\u0378", "\U0001faea"),
])
def test_addresses_that_the_server_lets_in(bot, peers, node, resource):
    """Whatever has come to the bot as an address can be said back by its service."""
    peer = peers.peer(f"{node}@peers.test/{resource}")
    bot.behave(lambda exchange: reply(to=exchange.request.json["from"], body="hi",
                                      **{"from": exchange.request.json["to"]})(exchange))
    peer.say(f"{node}@bot.test/{resource}")
    received = peer.receive()
    assert (received.body, received.to, received.sender) == ("hi", peer.jid, f"{node}@bot.test/{resource}")


def test_final_dot_of_a_host_is_taken_off(bot, peer):
    bot.behave(reply(**{"from": "x@Bot.Test./r", "to": peer.jid.replace("/", "./"), "body": "hi"}))
    peer.say(bot.jid)
    received = peer.receive()
    assert (received.to, received.sender) == (peer.jid, "x@bot.test/r")


def test_type(bot, peer):
    bot.behave(reply(type="headline", body="hi"))
    peer.say(bot.jid)
    assert peer.receive().type == "headline"


def test_id(bot, peer):
    bot.behave(reply(id="chosen <&\"'>", body="hi"))
    peer.say(bot.jid)
    assert peer.receive().id == "chosen <&\"'>"


def test_lang(bot, peer):
    bot.behave(reply(lang="pt-BR", body="oi"))
    peer.say(bot.jid)
    assert peer.receive().lang == "pt-BR"


# Every property with every sort of value is in src/component_http/reply.rs.

@pytest.mark.parametrize("kind, name, written, text", [
    ("message", "body", r'"two\nlines\tof <&> \"\u4e16\" \ud83c\udf89"', "two\nlines\tof <&> \"世\" 🎉"),
    ("message", "subject", '""', ""),
    ("message", "thread", "1E+2", "1E+2"),
    ("presence", "status", "true", "true"),
    ("presence", "priority", "-1", "-1")])
def test_children(bot, peer, kind, name, written, text):
    bot.behave(respond(body=f'{{"kind": "{kind}", "{name}": {written}}}'))
    peer.say(bot.jid)
    received = peer.receive()
    assert received.kind == kind
    assert received.text(name) == text


def test_replies_to_presence_and_iq_are_messages_too(bot, peer):
    bot.behave(reply(body="seen"))
    peer.presence(bot.jid)
    received = peer.receive()
    assert (received.kind, received.type, received.body) == ("message", "chat", "seen")


# Arrays

def test_array_is_sent_in_its_order(bot, peer):
    bot.behave(reply(*({"body": str(number)} for number in range(100))))
    peer.say(bot.jid)
    assert [peer.receive().body for _ in range(100)] == [str(number) for number in range(100)]


def test_array_may_mix_kinds_and_addresses(bot, peer, peers):
    other = peers.peer()
    bot.behave(reply({"kind": "presence", "show": "away"}, {"to": other.jid, "body": "b"},
                     {"stanza": "<message type='headline'><body>c</body></message>"}))
    peer.say(bot.jid)
    assert peer.receive().text("show") == "away"
    assert peer.receive().body == "c"
    assert other.receive().body == "b"


def test_long_array_is_sent_in_its_order(bot, peer):
    """More than is sent in one go; what comes after it waits for its end."""
    bot.behave(behaviours.in_turn(
        reply(*({"body": str(number)} for number in range(5000))), reply(body="the next answer")))
    peer.say(bot.jid)
    peer.say(bot.jid)
    expected = [str(number) for number in range(5000)] + ["the next answer"]
    assert [peer.receive().body for _ in expected] == expected


def test_long_array_does_not_hold_up_others(bot, peer, peers):
    """The rest of a long answer is sent by and by; a ping in between is answered before its end."""
    bot.behave(reply(*({"body": str(number)} for number in range(9000))))
    peer.say(bot.jid)
    assert peer.receive().body == "0"
    other = peers.peer()
    bot.behave(behaviours.echo)
    other.say(bot.jid, "quick")
    assert other.receive().body == "quick"
    assert [peer.receive().body for _ in range(8999)] == [str(number) for number in range(1, 9000)]


# validate_from_addresses

def test_foreign_from_when_not_validated(bot_at, peer):
    opened = bot_at("open.test")
    opened.behave(reply(**{"from": "someone@elsewhere.test", "body": "hi"}))
    peer.say(opened.jid)
    assert peer.receive().sender == "someone@elsewhere.test"


def test_invalid_from_stays_unusable_when_not_validated(bot_at, peer):
    opened = bot_at("open.test")
    opened.behave(reply(**{"from": "a@@b//", "body": "hi"}))
    peer.say(opened.jid)
    assert peer.receive().error == "cancel/internal-server-error"


# The same to a real session

def test_reply_to_a_user_is_well_formed_for_clients(bot, prosody):
    user = User(prosody.c2s_port, "bob@localhost", "secret")
    bot.behave(respond(body=json.dumps([
        {"body": "a", "subject": "b"}, {"stanza": "<message><body>c</body></message>"}])))
    user.message(bot.jid, stanzas.body("hello"))
    first, second = user.receive(), user.receive()
    assert (first.namespace, first.body, first.text("subject")) == ("jabber:client", "a", "b")
    assert (second.namespace, second.body) == ("jabber:client", "c")
    user.close()


def test_chat_with_a_client_library(bot, prosody):
    """The whole way once more with a client that people use."""
    bot.behave(behaviours.echo)
    with SlixmppUser(prosody.c2s_port, "alice@localhost", "secret") as alice:
        for text in ("hello", "Grüße & <Küsse> 🎉", "two\nlines"):
            alice.call("send_message", mto=bot.jid, mbody=text, mtype="chat")
            answer = alice.wait_for("message")
            assert (answer["body"], answer["from"], answer["to"]) == (text, bot.jid, alice.jid)
    assert bot.requests[0].json["from"].startswith("alice@localhost/")
