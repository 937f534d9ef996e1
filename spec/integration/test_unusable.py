"""Answers that cannot be used: never sent, not even in part; logged with the reason; the sender gets an error."""

import json

import pytest

from harness import bot as bots, stanza as stanzas
from harness.behaviours import chunked, endless, in_turn, reply, respond

LIMIT = 20000
SECRET = "Geheimnis"


def hosts(backend):
    return [
        bots.component(backend, component_post_stanzas=["message", "presence", "iq"],
                       component_post_response_limit=LIMIT, component_post_timeout=10),
        bots.component(backend, "roomy.test"),
    ]


def deep(levels):
    return "<message>" + "<y>" * (levels - 1) + "</y>" * (levels - 1) + "</message>"


ENTITIES = ("<!DOCTYPE m [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {name} '{('&' + before + ';') * 10}'>" for before, name in zip("abcdefgh", "bcdefghi", strict=True))
    + "]><message><body>&i;</body></message>")

BODIES = {
    "broken JSON": '{"body": "' + SECRET,
    "trailing garbage": '{"body": "x"} ' + SECRET,
    "two documents": '{"body": "x"}{"body": "y"}',
    "single quotes": "{'body': 'x'}",
    "comment": '/* c */ {"body": "x"}',
    "NaN": '{"body": NaN}',
    "HTML": "<html><body>502</body></html>",
    "empty string": '""',
    "string": f'"{SECRET}"',
    "number": "1",
    "true": "true",
    "array of strings": f'["{SECRET}"]',
    "array of numbers": "[1, 2]",
    "array of arrays": "[[{}]]",
    "array with null": '[null]',
    "broken UTF-8": b'{"body": "\xff\xfe"}',
    "UTF-16": '{"body": "x"}'.encode("utf-16"),
    "overlong UTF-8": b'{"body": "\xc0\xaf"}',
    "surrogate in UTF-8": b'{"body": "\xed\xa0\x80"}',
    "lone surrogate": r'{"body": "\ud800"}',
    "U+0000": r'{"body": "a\u0000b"}',
    "U+0001": r'{"body": "a\u0001b"}',
    "U+001F": r'{"body": "a\u001fb"}',
    "U+FFFE": r'{"body": "a\ufffeb"}',
    "U+FFFF": r'{"body": "a\uffffb"}',
    "forbidden in subject": r'{"subject": "a\u0008b"}',
    "forbidden in id": r'{"id": "a\u0008b", "body": "x"}',
    "forbidden in type": r'{"type": "a\u0008b", "body": "x"}',
    "forbidden in lang": r'{"lang": "a\u0008b", "body": "x"}',
    "JSON nesting": "[" * 9000 + "]" * 9000,
    "JSON nesting in a value": '{"body": ' + '{"a":' * 2000 + "1" + "}" * 2001,
}

OBJECTS = {
    "body is an object": {"body": {"text": SECRET}},
    "body is an array": {"body": [SECRET]},
    "to is a number": {"to": 5},
    "to is an array": {"to": ["a@localhost", "b@localhost"]},
    "from is true": {"from": True},
    "kind is a number": {"kind": 1},
    "kind is unknown": {"kind": "letter"},
    "kind in capitals": {"kind": "MESSAGE"},
    "type is a number": {"type": 1},
    "id is a number": {"id": 17},
    "stanza is an object": {"stanza": {"name": "message"}},
    "stanza is a number": {"stanza": 1},
    "to is no JID": {"to": "a@@b//"},
    "to is empty": {"to": ""},
    "to has no host": {"to": "a@"},
    "to has no node": {"to": "@localhost"},
    "to has no resource": {"to": "a@localhost/"},
    "to has a blank node": {"to": "a b@localhost"},
    "to is too long": {"to": "a" * 1024 + "@localhost"},
    "from is no JID": {"from": "a@@b//"},
    "from is elsewhere": {"from": "bot@elsewhere.test"},
    "from is a user here": {"from": "alice@localhost"},
    "from is a subdomain": {"from": "bot@sub.bot.test"},
    "from ends in the name": {"from": "bot@mybot.test"},
}

NOTHING_KNOWN = {
    "unknown property": json.dumps({"text": SECRET}),
    "unknown property, null": '{"text": null}',
    "unknown property beside null": json.dumps({"text": SECRET, "body": None}),
    "empty object in an array": "[{}]",
    "empty object beside another": '[{"body": "good"}, {}]',
}

STANZAS = {
    "empty": "",
    "blank": "  ",
    "no XML": SECRET,
    "unclosed": f"<message><body>{SECRET}</body>",
    "crossed": "<message><a><b></a></b></message>",
    "trailing text": f"<message/>{SECRET}",
    "trailing element": "<message/><message/>",
    "leading text": f"{SECRET}<message/>",
    "unquoted attribute": "<message type=chat/>",
    "duplicate attribute": "<message type='chat' type='normal'/>",
    "undeclared prefix": "<message><p:x/></message>",
    "undeclared attribute prefix": "<message p:a='1'/>",
    "bare ampersand": "<message><body>a & b</body></message>",
    "unknown entity": "<message><body>&nbsp;</body></message>",
    "entities": ENTITIES,
    "external entity": "<!DOCTYPE m [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><message><body>&x;</body></message>",
    "DTD alone": "<!DOCTYPE message><message/>",
    "raw U+0001": "<message><body>\x01</body></message>",
    "U+0001 by reference": "<message><body>&#1;</body></message>",
    "U+0000 by reference": "<message><body>&#0;</body></message>",
    "U+FFFF": "<message><body>\uffff</body></message>",
    "surrogate by reference": "<message><body>&#xD800;</body></message>",
    "forbidden in an attribute": "<message><x xmlns='urn:x' a='&#8;'/></message>",
    "102 levels": deep(102),
    "2000 levels": deep(2000),
    "root is no stanza": "<letter/>",
    "root is a stream": "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>",
    "root in another namespace": "<message xmlns='urn:example:x'/>",
    "root in jabber:server": "<message xmlns='jabber:server'/>",
    "reserved namespace": "<message><x xmlns='http://www.w3.org/2000/xmlns/'/></message>",
    "reserved prefix": "<message><x xmlns:xml='urn:x' xmlns='urn:x'/></message>",
    "namespace that some parsers refuse": "<message><x xmlns='urn:a}b'/></message>",
    "name that some parsers refuse": "<message><\u2c00 xmlns='urn:x'/></message>",
    "root with a foreign prefix": "<x:message xmlns:x='urn:example:x'/>",
    "to is no JID": "<message to='a@@b//'/>",
    "to is empty": "<message to=''/>",
    "from is no JID": "<message from='@'/>",
    "from is elsewhere": "<message from='bot@elsewhere.test'/>",
    "iq without type": "<iq id='x' to='alice@localhost'><q xmlns='urn:x'/></iq>",
    "iq of an unknown type": "<iq id='x' type='ask' to='alice@localhost'><q xmlns='urn:x'/></iq>",
    "iq get without a child": "<iq id='x' type='get' to='alice@localhost'/>",
    "iq set with two children": "<iq id='x' type='set' to='alice@localhost'><a xmlns='urn:x'/><b xmlns='urn:x'/></iq>",
    "iq result to a message": "<iq id='x' type='result' to='alice@localhost'/>",
    "iq error to a message": "<iq id='x' type='error'><error type='cancel'/></iq>",
}

CASES = (
    [pytest.param(respond(body=body), id=f"body: {name}") for name, body in BODIES.items()]
    + [pytest.param(respond(body=json.dumps({"body": "hi", **object})), id=f"object: {name}")
       for name, object in OBJECTS.items()]
    + [pytest.param(respond(body=body), id=f"object: {name}") for name, body in NOTHING_KNOWN.items()]
    + [pytest.param(respond(body=json.dumps({"stanza": xml})), id=f"stanza: {name}") for name, xml in STANZAS.items()]
    + [pytest.param(respond(body=f'{{"body": "{"x" * LIMIT}"}}'), id="too large"),
       pytest.param(chunked(f'{{"body": "{"x" * LIMIT}"}}', size=4000), id="too large, chunked"),
       pytest.param(endless, id="too large, endless"),
       pytest.param(reply(kind="iq"), id="an iq reply to a message"),
       pytest.param(reply(kind="iq", type="get"), id="an iq get without payload")])


@pytest.mark.parametrize("behaviour", CASES)
def test_unusable_answer(bot, peer, prosody, behaviour):
    position = prosody.log_position()
    bot.behave(behaviour)
    sent = peer.say(bot.jid)
    refused = peer.receive()
    assert refused.error == "cancel/internal-server-error"
    assert (refused.kind, refused.id, refused.sender, refused.to) == ("message", sent, bot.jid, peer.jid)
    assert refused.error_text, "the text says what was wrong"
    assert SECRET not in refused.error_text
    assert SECRET not in bot.complaint(prosody, position).text
    assert not bot.everything_for(peer)
    assert len(bot.requests) == 1


@pytest.mark.parametrize("behaviour", [
    pytest.param(reply({"body": "good"}, {"to": "a@@b//", "body": "bad"}), id="second address"),
    pytest.param(respond(body='[{"body": "good"}, 5]'), id="second of the wrong type"),
    pytest.param(reply({"body": "good"}, {"stanza": "<message>"}), id="second broken"),
    pytest.param(reply({"body": "good"}, {"body": "good"}, {"from": "x@elsewhere.test"}), id="third from elsewhere"),
    pytest.param(respond(body='[{"body": "good"}, {"body": "good"}'), id="broken at its end"),
])
def test_nothing_of_an_unusable_answer_is_sent(bot, peer, behaviour):
    bot.behave(behaviour)
    peer.say(bot.jid)
    assert peer.receive().error == "cancel/internal-server-error"
    assert not bot.everything_for(peer)


WRONG_IQ_ANSWERS = {
    "wrong requester": {"kind": "iq", "to": "peer0@peers.test/other"},
    "wrong sender": {"kind": "iq", "from": "other@bot.test"},
    "wrong id": {"kind": "iq", "id": "another"},
    "wrong id in XML": {"stanza": "<iq type='result' id='another'/>"},
    "wrong requester in XML": {"stanza": "<iq type='result' to='peer0@peers.test/other'/>"},
    "result with two children": {"stanza": "<iq type='result'><a xmlns='urn:x'/><b xmlns='urn:x'/></iq>"},
    "error without error": {"stanza": "<iq type='error'/>"},
}


@pytest.mark.parametrize("object", WRONG_IQ_ANSWERS.values(), ids=WRONG_IQ_ANSWERS)
def test_iq_answer_that_does_not_answer(bot, peer, object):
    bot.behave(respond(body=json.dumps(object)))
    sent = peer.iq(bot.jid)
    refused = peer.receive()
    assert (refused.kind, refused.id, refused.error) == ("iq", sent, "cancel/internal-server-error")
    assert not bot.everything_for(peer)


def test_two_answers_to_one_iq(bot, peer):
    bot.behave(reply({"kind": "iq"}, {"kind": "iq"}))
    sent = peer.iq(bot.jid)
    refused = peer.receive()
    assert (refused.id, refused.error) == (sent, "cancel/internal-server-error")
    assert not bot.everything_for(peer)


def test_unusable_answer_to_a_presence(bot, peer):
    bot.behave(in_turn(respond(body="broken"), respond(204)))
    peer.presence(bot.jid, id="p")
    refused = peer.receive()
    assert (refused.kind, refused.id, refused.error) == ("presence", "p", "cancel/internal-server-error")


def test_unusable_answer_in_a_room_is_only_logged(bot, peer, prosody):
    position = prosody.log_position()
    bot.behave(respond(body="broken"))
    peer.say(bot.jid, type="groupchat")
    bot.complaint(prosody, position)
    assert not bot.everything_for(peer)


def test_error_to_a_room_is_never_sent(bot, peer, prosody):
    position = prosody.log_position()
    bot.behave(reply(stanza="<message type='error'><error type='cancel'>"
                            f"<not-allowed xmlns='{stanzas.STANZA_ERRORS}'/></error></message>"))
    peer.say(bot.jid, type="groupchat")
    bot.complaint(prosody, position)
    assert not bot.everything_for(peer)


# The limit

def test_response_of_exactly_the_limit_is_usable(bot, peer):
    envelope = len('{"body": ""}')
    bot.behave(respond(body=f'{{"body": "{"x" * (LIMIT - envelope)}"}}'))
    peer.say(bot.jid)
    assert peer.receive().body == "x" * (LIMIT - envelope)


def test_one_octet_more_is_not(bot, peer):
    envelope = len('{"body": ""}')
    bot.behave(respond(body=f'{{"body": "{"x" * (LIMIT - envelope + 1)}"}}'))
    peer.say(bot.jid)
    assert peer.receive().error == "cancel/internal-server-error"


@pytest.mark.parametrize("elements, error", [(15000, None), (25000, "cancel/internal-server-error")])
def test_number_of_elements_has_a_bound(bot_at, peer, elements, error):
    """20,000 in all: thousands fit into a small response and would keep Prosody busy."""
    roomy = bot_at("roomy.test")
    roomy.behave(reply(stanza="<message><x xmlns='urn:example:x'>" + "<y/>" * (elements - 2) + "</x></message>"))
    peer.say(roomy.jid)
    assert peer.receive().error == error


@pytest.mark.parametrize("attributes, error", [(15000, None), (25000, "cancel/internal-server-error")])
def test_number_of_attributes_has_a_bound(bot_at, peer, attributes, error):
    """The same bound, for they are as much work."""
    roomy = bot_at("roomy.test")
    written = "".join(f" a{number}='{number}'" for number in range(attributes))
    roomy.behave(reply(stanza=f"<message><x xmlns='urn:example:x'{written}/></message>"))
    peer.say(roomy.jid)
    assert peer.receive().error == error


def test_endless_response_is_cut_off(bot, peer):
    bot.behave(endless)
    peer.say(bot.jid)
    assert peer.receive().error == "cancel/internal-server-error"
    bot.endpoint.wait_until_idle()


@pytest.mark.parametrize("status, error", [(404, "cancel/item-not-found"), (500, "cancel/internal-server-error")])
def test_large_error_page_changes_nothing(bot, peer, status, error):
    bot.behave(respond(status, "<html>" * LIMIT, "text/html"))
    peer.say(bot.jid)
    assert peer.receive().error == error


def test_large_page_that_is_no_json_is_accepted(bot, peer):
    bot.behave(respond(200, "<html>" * LIMIT, "text/html"))
    peer.say(bot.jid)
    bot.request()
    assert not bot.everything_for(peer)


def test_reason_is_told(bot, peer, prosody):
    position = prosody.log_position()
    bot.behave(reply(**{"from": "bot@elsewhere.test", "body": "hi"}))
    peer.say(bot.jid)
    assert "sender" in peer.receive().error_text
    bot.complaint(prosody, position, "sender")
