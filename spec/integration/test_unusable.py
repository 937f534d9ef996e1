"""Answers that cannot be used: never sent, not even in part; logged with the reason; the sender gets an error."""

import pytest

from harness import bot as bots, stanza as stanzas
from harness.behaviours import chunked, endless, in_turn, not_as_described, reply, respond

LIMIT = 20000
SECRET = "Geheimnis"


def hosts(backend):
    return [
        bots.component(backend, component_post_stanzas=["message", "presence", "iq"],
                       component_post_response_limit=LIMIT, component_post_timeout=10),
        bots.component(backend, "roomy.test"),
    ]


# One of each way to the error. The others, and what is said of them, are in src/component_http/unusable_answers.rs.
CASES = {
    "broken JSON": not_as_described(respond(body='{"body": "' + SECRET)),
    "broken UTF-8": not_as_described(respond(body=b'{"body": "\xff\xfe"}')),
    "no object": not_as_described(respond(body=f'["{SECRET}"]')),
    "nothing known": not_as_described(reply(text=SECRET)),
    "wrong type": not_as_described(reply(body=[SECRET])),
    "forbidden character": respond(body=r'{"body": "a\uffffb"}'),
    "no JID": reply(to="a@@b//", body=SECRET),
    "sender elsewhere": reply(**{"from": f"{SECRET}@elsewhere.test", "body": "hi"}),
    "broken XML": reply(stanza=f"<message><body>{SECRET}</body>"),
    "no stanza": reply(stanza="<letter/>"),
    "iq result to a message": reply(kind="iq"),
    "too large": respond(body=f'{{"body": "{"x" * LIMIT}"}}'),
    "too large, chunked": chunked(f'{{"body": "{"x" * LIMIT}"}}', size=4000),
    "too large, endless": not_as_described(endless),
}


@pytest.mark.parametrize("behaviour", CASES.values(), ids=CASES)
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
    pytest.param(not_as_described(respond(body='[{"body": "good"}, {"body": "good"}')), id="broken at its end"),
])
def test_nothing_of_an_unusable_answer_is_sent(bot, peer, behaviour):
    bot.behave(behaviour)
    peer.say(bot.jid)
    assert peer.receive().error == "cancel/internal-server-error"
    assert not bot.everything_for(peer)


@pytest.mark.parametrize("object", [{"kind": "iq", "id": "another"}, {"stanza": "<iq type='error'/>"}],
                         ids=["another id", "error without error"])
def test_iq_answer_that_does_not_answer(bot, peer, object):
    bot.behave(reply(**object))
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
    bot.behave(in_turn(not_as_described(respond(body="broken")), respond(204)))
    peer.presence(bot.jid, id="p")
    refused = peer.receive()
    assert (refused.kind, refused.id, refused.error) == ("presence", "p", "cancel/internal-server-error")


def test_unusable_answer_in_a_room_is_only_logged(bot, peer, prosody):
    position = prosody.log_position()
    bot.behave(not_as_described(respond(body="broken")))
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
    bot.behave(not_as_described(endless))
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
