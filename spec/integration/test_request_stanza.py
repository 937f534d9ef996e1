"""`stanza` in a request: XML that reads back to the same; and stanzas that cannot be forwarded."""

import pytest

from harness import bot as bots, stanza as stanzas


def hosts(backend):
    return [bots.component(backend, component_post_stanzas=["message", "presence", "iq"])]


# The stanza as XML

@pytest.mark.parametrize("content", [
    "",
    "<body>plain</body>",
    "<body>&lt;&amp;&gt;&quot;&apos; ]]&gt;</body>",
    "<body>Grüße 世界 🎉 \u00a0\u200b\ufffd</body>",
    "<body>tab\there, CR &#13; and\nnewline</body>",
    "<x xmlns='urn:example:x' a='&quot;&apos;&lt;&amp;' b='tab&#9;newline&#10;cr&#13;' c=''/>",
    "<x xmlns='urn:example:x'><y xmlns='urn:example:y'><z xmlns='urn:example:x'/></y>tail</x>",
    "<x xmlns='urn:example:x' xmlns:o='urn:example:o' o:attribute='v' xml:lang='fr'><o:child/></x>",
    "<x xmlns='urn:example:x' xml:space='preserve' xml:other='v'/>",
    "<p:x xmlns:p='urn:example:p'><p:y p:a='1' a='2'/><z xmlns='urn:example:z' p:a='3'/></p:x>",
    "<a:x xmlns:a='urn:example:1'><a:y xmlns:a='urn:example:2' a:k='v'><a:z/></a:y></a:x>",
    "<x xmlns='urn:example:x'>mixed <b>bold</b> and <i>italic</i> text</x>",
    "<x xmlns='urn:example:x'>  <y/>\n\t<y/>  </x>",
    "<x xmlns='urn:example:x'><![CDATA[<raw> & ]] >]]></x>",
    "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='a@b/c'><body>in</body></message>"
    "</forwarded>",
    "<x xmlns='urn:example:x'><m xmlns='jabber:component:accept'><n/></m></x>",
    "<x xmlns='urn:example:x' " + " ".join(f"a{n}='{n}'" for n in range(200)) + "/>",
    f"<x xmlns='urn:example:x' long='{'v' * 20000}'/>",
    "<x xmlns='urn:example:x'>" + "<y/>" * 3000 + "</x>",
], ids=lambda content: content[:60])
def test_stanza_reads_back_to_the_same(bot, peer, peers, content):
    written = stanzas.build("message", content, to=bot.jid, from_=peer.jid, id="an id", lang="de")
    peer.send("message", content, to=bot.jid, id="an id", lang="de")
    peers.push()
    received = stanzas.parse(bot.request().json["stanza"])
    assert stanzas.canonical(received) == stanzas.canonical(stanzas.parse(written))


def test_iq_stanza_reads_back_to_the_same(bot, peer):
    content = "<query xmlns='jabber:iq:roster'><item jid='a@b' name='&lt;&quot;'/></query>"
    written = stanzas.build("iq", content, to=bot.jid, from_=peer.jid, id="q", lang="en", type="set")
    peer.iq(bot.jid, content, type="set", id="q", lang="en")
    received = stanzas.parse(bot.request().json["stanza"])
    assert stanzas.canonical(received) == stanzas.canonical(stanzas.parse(written))


# What is not forwarded

def nested(levels):
    """A message content that makes the whole stanza that many levels deep."""
    inner = levels - 1
    return "<x xmlns='urn:example:x'>" + "<y>" * (inner - 1) + "</y>" * (inner - 1) + "</x>"


def test_a_hundred_levels_are_forwarded(bot, peer):
    peer.send("message", nested(100), to=bot.jid)
    assert bot.request().json["stanza"].count("<y") == 98


@pytest.mark.parametrize("kind, type, levels", [
    ("message", "chat", 102), ("presence", None, 102), ("iq", "set", 20000)])
def test_deeper_nesting_is_not_acceptable(bot, peer, kind, type, levels):
    sent = peer.send(kind, nested(levels), to=bot.jid, type=type)
    refused = peer.receive()
    assert (refused.kind, refused.id, refused.sender) == (kind, sent, bot.jid)
    assert refused.error == "modify/not-acceptable"
    assert not bot.everything_for(peer)
    assert not bot.requests


def test_deeper_nesting_in_a_room_is_only_logged(bot, peer, prosody):
    position = prosody.log_position()
    peer.send("message", nested(102), to=bot.jid, type="groupchat")
    bot.complaint(prosody, position, "nest|deep|level")
    assert not bot.everything_for(peer)
    assert not bot.requests


FORBIDDEN = {"U+0001": r"\1", "U+001F": r"\31", "U+FFFE": r"\239\191\190", "U+FFFF": r"\239\191\191"}


def inject(prosody, peer, to, type, lua_text):
    """Sends a message through Prosody's own code, as a module could: XML parsers refuse such characters."""
    prosody.shell(
        '> local st = require "util.stanza"; local message = st.message({ '
        f'from = "{peer.jid}", to = "{to}", type = "{type}", id = "odd" }}); '
        f'message:add_direct_child(st.stanza("body")); table.insert(message.tags[1], "a{lua_text}b"); '
        'prosody.core_post_stanza(prosody.hosts["peers.test"], message); return true')


@pytest.mark.parametrize("text", FORBIDDEN.values(), ids=FORBIDDEN)
def test_forbidden_character_is_a_bad_request(bot, peer, prosody, text):
    inject(prosody, peer, bot.jid, "chat", text)
    refused = peer.receive()
    assert (refused.error, refused.id, refused.sender) == ("modify/bad-request", "odd", bot.jid)
    assert not bot.everything_for(peer)
    assert not bot.requests


def test_element_that_nobody_could_read_back_is_a_bad_request(bot, peer):
    """One of XML's own namespace: it is well-formed, and written anew it is not."""
    sent = peer.send("message", "<xml:x/>", to=bot.jid, type="chat")
    refused = peer.receive()
    assert (refused.error, refused.id) == ("modify/bad-request", sent)
    assert not bot.requests


def test_forbidden_character_in_a_room_is_only_logged(bot, peer, prosody):
    position = prosody.log_position()
    inject(prosody, peer, bot.jid, "groupchat", r"\31")
    bot.complaint(prosody, position, "character")
    assert not bot.everything_for(peer)
    assert not bot.requests
