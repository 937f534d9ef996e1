"""`stanza` in an answer: that XML is sent as it is, and what is missing in it is filled in."""

import pytest

from harness import behaviours, bot as bots, stanza as stanzas
from harness.behaviours import reply, respond
from harness.client import User

ACCOUNTS = {"alice@localhost": "secret"}
DISCO = "http://jabber.org/protocol/disco#info"


def hosts(backend):
    return [bots.component(backend, component_post_stanzas=["message", "presence", "iq"])]


@pytest.mark.parametrize("content", [
    "<body>&lt;&amp;&gt; \"quoted\" 'single'</body>",
    "<body>Grüße 世界 🎉</body>",
    "<x xmlns='urn:example:x' a='&quot;&apos;&lt;&amp;'><y>text<z/>tail</y></x>",
    "<x xmlns='urn:example:x' xmlns:o='urn:example:o' o:attribute='v' xml:lang='fr'><o:child/></x>",
    "<p:x xmlns:p='urn:example:p'><p:y p:a='1' a='2'/></p:x>",
    "<a:x xmlns:a='urn:example:1'><a:y xmlns:a='urn:example:2' a:k='v'><a:z/></a:y></a:x>",
    "<x xmlns='urn:example:x'><![CDATA[<raw> & ]]></x>",
    "<body>picture</body><x xmlns='jabber:x:oob'><url>https://example.com/a.png?x=1&amp;y=2</url></x>",
    "<html xmlns='http://jabber.org/protocol/xhtml-im'>"
    "<body xmlns='http://www.w3.org/1999/xhtml'><p>a<br/>b</p></body></html>",
    "<forwarded xmlns='urn:xmpp:forward:0'>"
    "<message xmlns='jabber:client' to='x@y'><body>in</body></message></forwarded>",
    f"<x xmlns='urn:example:x' long='{'v' * 20000}'/>",
    "<x xmlns='urn:example:x'>" + "<y/>" * 3000 + "</x>",
    "<x xmlns='urn:example:x'>" + "<y>" * 98 + "</y>" * 98 + "</x>",
], ids=lambda content: content[:60])
def test_stanza_is_sent_as_it_is(bot, peer, content):
    written = stanzas.build("message", content, to=peer.jid, from_=bot.jid, id="its own", type="headline", lang="de")
    bot.behave(reply(stanza=written))
    peer.say(bot.jid)
    received = peer.receive()
    assert stanzas.canonical(received.element) == stanzas.canonical(stanzas.parse(written))


def test_stanza_overrides_all_other_properties(bot, peer):
    bot.behave(reply(**{
        "to": "nobody@localhost", "from": "other@bot.test", "kind": "presence", "type": "headline", "id": "no",
        "body": "no", "subject": "no", "lang": "no", "stanza": "<message><body>yes</body></message>"}))
    peer.say(bot.jid)
    received = peer.receive()
    assert (received.kind, received.to, received.sender, received.body) == ("message", peer.jid, bot.jid, "yes")
    assert received.text("subject") is None
    assert received.id != "no" and received.type != "headline" and received.lang != "no"


def test_missing_addresses_are_filled_in(bot, peer):
    bot.behave(reply(stanza="<message id='own'><body>hi</body></message>"))
    peer.say("x@bot.test/y")
    received = peer.receive()
    assert (received.to, received.sender, received.id) == (peer.jid, "x@bot.test/y", "own")


def test_missing_address_of_a_room_is_its_bare_jid(bot, peers):
    room = peers.peer("room2@peers.test/alice")
    bot.behave(reply(stanza="<message type='groupchat'><body>hi</body></message>"))
    room.say(bot.jid, type="groupchat")
    received = room.receive()
    assert (received.to, received.type) == ("room2@peers.test", "groupchat")


def test_present_attributes_stay(bot, peer, peers):
    other = peers.peer()
    bot.behave(reply(stanza=f"<message to='{other.jid}' from='b@bot.test/z' id='own' type='headline'/>"))
    peer.say(bot.jid)
    received = other.receive()
    assert (received.sender, received.id, received.type) == ("b@bot.test/z", "own", "headline")


def test_missing_iq_id_is_the_request_s(bot, peer):
    bot.behave(reply(stanza=f"<iq type='result'><query xmlns='{DISCO}'/></iq>"))
    sent = peer.iq(bot.jid)
    received = peer.receive()
    assert (received.kind, received.type, received.id) == ("iq", "result", sent)
    assert received.child(f"{{{DISCO}}}query") is not None
    assert not bot.everything_for(peer)


def test_iq_error_as_the_answer(bot, peer):
    bot.behave(reply(stanza="<iq type='error'><error type='auth'>"
                            f"<forbidden xmlns='{stanzas.STANZA_ERRORS}'/></error></iq>"))
    sent = peer.iq(bot.jid)
    received = peer.receive()
    assert (received.error, received.id) == ("auth/forbidden", sent)
    assert not bot.everything_for(peer)


def test_message_error_as_the_answer_of_a_chat(bot, peer):
    bot.behave(reply(stanza="<message type='error'><error type='modify'>"
                            f"<policy-violation xmlns='{stanzas.STANZA_ERRORS}'/></error></message>"))
    peer.say(bot.jid)
    assert peer.receive().error == "modify/policy-violation"


@pytest.mark.parametrize("xml", [
    "<message><body>hi</body></message>",
    "<message xmlns='jabber:client'><body>hi</body></message>",
    "<message xmlns='jabber:component:accept'><body>hi</body></message>",
    "<c:message xmlns:c='jabber:client'><c:body>hi</c:body></c:message>",
    "<message xmlns='jabber:client'><body xmlns='jabber:client'>hi</body></message>",
    "<?xml version='1.0'?><message><body>hi</body></message>",
    "<?xml version='1.0' encoding='UTF-8'?>\n<message><body>hi</body></message>\n",
    "  <message><body>hi</body></message>  ",
], ids=lambda xml: xml[:70])
def test_root_namespaces(bot, prosody, xml):
    user = User(prosody.c2s_port, "alice@localhost", "secret", "namespaces")
    bot.behave(reply(stanza=xml))
    user.message(bot.jid, stanzas.body("hello"))
    received = user.receive()
    assert received.namespace == "jabber:client"
    assert received.body == "hi"
    user.close()


def test_iq_to_somebody_else_is_sent_and_its_answer_swallowed_or_forwarded_once(bot, peer, peers):
    other = peers.peer()
    bot.behave(behaviours.in_turn(
        reply(stanza=f"<iq type='get' id='v' to='{other.jid}'><query xmlns='jabber:iq:version'/></iq>"), respond(204)))
    peer.say(bot.jid)
    asked = other.receive()
    assert (asked.kind, asked.type, asked.id, asked.sender) == ("iq", "get", "v", bot.jid)
    other.send("iq", "<query xmlns='jabber:iq:version'/>", to=bot.jid, type="result", id="v")
    answer = bot.wait_for_requests(2)[1].json
    assert (answer["kind"], answer["type"], answer["id"]) == ("iq", "result", "v")
    assert not bot.everything_for(other)
