"""What people expect of a bot, as slixmpp sees it: signs of life, corrections, reactions, replies, files, forms."""

import pytest

from harness import bot as bots
from harness.behaviours import echo, held, not_as_described, reply, respond
from harness.user import SlixmppUser

ACCOUNTS = {"alice@localhost": "secret"}
PLUGINS = ("xep_0004", "xep_0066", "xep_0085", "xep_0184", "xep_0249", "xep_0308", "xep_0333", "xep_0359", "xep_0428",
           "xep_0444", "xep_0461")
EVENTS = ("chatstate_composing", "chatstate_active", "receipt_received", "message_correction", "reactions",
          "message_reply", "groupchat_direct_invite")
ACTIVE = "<active xmlns='http://jabber.org/protocol/chatstates'/>"
REQUEST = "<request xmlns='urn:xmpp:receipts'/>"
RECEIVED = "{urn:xmpp:receipts}received"


def hosts(backend):
    return [
        bots.component(backend),
        bots.component(backend, "typing.test", component_post_typing=True),
        bots.component(backend, "silent.test", component_post_receipts=False),
    ]


@pytest.fixture(scope="module")
def alice(prosody):
    with SlixmppUser(prosody.c2s_port, "alice@localhost", "secret", PLUGINS, EVENTS) as user:
        yield user


def say(user, to, text="hello", change=lambda message: None):
    """Sends a message as slixmpp makes it, changed by the test, and returns its id."""
    def send(client):
        message = client.make_message(mto=to, mbody=text, mtype="chat")
        message["id"] = client.new_id()
        change(message)
        message.send()
        return message["id"]
    return user.run(send)


# Signs of life

def show_states(message):
    message["chat_state"] = "active"


def test_who_waits_sees_that_an_answer_is_composed(bot_at, alice):
    typing = bot_at("typing.test")
    typing.behave(held(echo))
    say(alice, typing.jid, change=show_states)
    composing = alice.wait_for("chatstate_composing")
    assert (composing["from"], composing["type"], composing["body"]) == (typing.jid, "chat", "")
    typing.release()
    answer = alice.wait_for("message", lambda message: message["body"] == "hello")
    assert answer["chat_state"] == "active"


def test_without_an_answer_the_composing_ends(bot_at, alice):
    typing = bot_at("typing.test")
    typing.behave(held(respond(204)))
    say(alice, typing.jid, change=show_states)
    alice.wait_for("chatstate_composing")
    typing.release()
    alice.wait_for("chatstate_active", lambda message: message["body"] == "")


def test_typing_is_not_shown_to_who_does_not_know_it(bot_at, peer):
    """A ping is answered after all that came before it, and the second exchange is over when the first one is."""
    typing = bot_at("typing.test")
    typing.behave(held(echo))
    peer.say(typing.jid, "first")
    other = peer.send("message", f"<body>second</body>{ACTIVE}", to=f"other@{typing.host}", type="chat")
    composing = peer.receive()
    assert composing.child("{http://jabber.org/protocol/chatstates}composing") is not None
    assert composing.sender == f"other@{typing.host}" and composing.id != other
    typing.release()
    assert {peer.receive().body, peer.receive().body} == {"first", "second"}


def ask_for_receipt(message):
    message["request_receipt"] = True


def test_a_receipt_is_given_before_the_replies(bot, peer, alice):
    bot.behave(echo)
    sent = peer.send("message", f"<body>hello</body>{REQUEST}", to=bot.jid, type="chat")
    receipt, answer = peer.receive(), peer.receive()
    assert (receipt.child(RECEIVED).get("id"), receipt.type, receipt.sender) == (sent, "chat", bot.jid)
    assert answer.body == "hello"

    sent = say(alice, bot.jid, change=ask_for_receipt)
    assert alice.wait_for("receipt_received")["receipt"] == sent


@pytest.mark.parametrize("status, type", [(404, "chat"), (204, "groupchat"), (204, "headline")])
def test_no_receipt_is_given(bot, peer, status, type):
    bot.behave(respond(status))
    peer.send("message", f"<body>hello</body>{REQUEST}", to=bot.jid, type=type)
    received = bot.everything_for(peer)
    assert [stanza.error for stanza in received] == (["cancel/item-not-found"] if status == 404 else [])


def test_receipts_can_be_left_to_the_service(bot_at, peer):
    silent = bot_at("silent.test")
    sent = peer.send("message", f"<body>hello</body>{REQUEST}", to=silent.jid, type="chat")
    assert not silent.everything_for(peer)
    assert silent.request().json["receipt"] is True
    silent.behave(reply(received=sent))
    peer.say(silent.jid)
    assert peer.receive().child(RECEIVED).get("id") == sent


# From the service

def answered_with(bot, user, **answer):
    bot.behave(reply(**answer))
    say(user, bot.jid)


def test_a_correction(bot, alice):
    answered_with(bot, alice, body="better", replace="m1")
    assert alice.wait_for("message_correction")["replace"]["id"] == "m1"


def test_reactions(bot, alice):
    answered_with(bot, alice, reactions={"id": "m1", "reactions": ["👍", "🐢"]}, hints=["store"])
    reactions = alice.wait_for("reactions")["reactions"]
    assert (reactions["id"], reactions.get_values(all_chars=True)) == ("m1", {"👍", "🐢"})


def test_a_reply(bot, alice):
    answered_with(bot, alice, body="yes", reply={"id": "m1", "to": "alice@localhost"})
    answer = alice.wait_for("message_reply")["reply"]
    assert (answer["id"], answer["to"]) == ("m1", "alice@localhost")


def test_a_file(bot, alice):
    url = "https://example.com/sky.jpg"
    answered_with(bot, alice, files=[{"url": url, "name": "sky.jpg", "size": 7}])
    message = alice.wait_for("message", lambda message: message["body"] == url)
    assert message["oob"]["url"] == url
    assert message.xml.find("{urn:xmpp:sfs:0}file-sharing") is not None


def test_an_invitation(bot, alice):
    answered_with(bot, alice, invite={"jid": "tea@rooms.example", "reason": "Tea?"})
    invitation = alice.wait_for("groupchat_direct_invite")["groupchat_invite"]
    assert (invitation["jid"], invitation["reason"]) == ("tea@rooms.example", "Tea?")


def test_a_form(bot, alice):
    field = {"var": "city", "type": "list-single", "label": "City", "value": "k",
             "options": [{"label": "Kyoto", "value": "k"}, {"label": "Oslo", "value": "o"}]}
    answered_with(bot, alice, body="form", form={"type": "form", "title": "Weather", "fields": [field]})
    form = alice.wait_for("message", lambda message: message["body"] == "form")["form"]
    assert (form["type"], form["title"]) == ("form", "Weather")
    shown = form.get_fields()["city"]
    assert (shown["label"], shown["value"], len(shown["options"])) == ("City", "k", 2)


def test_an_error(bot, peer):
    bot.behave(reply(error={"condition": "item-not-found", "text": "No such city"}))
    sent = peer.say(bot.jid)
    error = peer.receive()
    assert (error.id, error.error, error.error_text) == (sent, "cancel/item-not-found", "No such city")


def test_a_value_of_another_shape_is_told(bot, peer, prosody):
    since = prosody.log_position()
    bot.behave(not_as_described(reply(body="x", reactions={"reactions": ["👍"]})))
    peer.say(bot.jid)
    error = peer.receive()
    assert error.error == "cancel/internal-server-error"
    told = "the property 'reactions.id' is missing: it should be a string that is not empty"
    assert told in error.error_text
    bot.complaint(prosody, since, told)


# To the service

def requested(bot, user, change):
    say(user, bot.jid, change=change)
    return bot.request().json


def test_what_clients_say_has_properties(bot, alice):
    def change(message):
        message["replace"]["id"] = "m1"
        message["origin_id"]["id"] = "o1"
        message.enable("markable")
        message["oob"]["url"] = "https://example.com/"
    request = requested(bot, alice, change)
    assert (request["replace"], request["origin_id"], request["markable"]) == ("m1", "o1", True)
    assert request["oob"] == {"url": "https://example.com/"}


def test_reactions_of_a_client(bot, alice):
    def react(message):
        del message["body"]
        message["reactions"]["id"] = "m1"
        message["reactions"].set_values({"👍"}, all_chars=True)
    assert requested(bot, alice, react)["reactions"] == {"id": "m1", "reactions": ["👍"]}


def test_a_form_that_is_filled_in(bot, alice):
    def fill_in(message):
        form = message["form"]
        form["type"] = "submit"
        form.add_field(var="city", value="k")
    form = requested(bot, alice, fill_in)["form"]
    assert (form["type"], form["fields"][0]["var"], form["fields"][0]["value"]) == ("submit", "city", "k")


def test_a_reply_comes_without_its_quotation(bot, peer):
    peer.send("message", "<body>&gt; 🐢?\nYes</body><reply xmlns='urn:xmpp:reply:0' id='m1'/>"
              "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='5'/></fallback>",
              to=bot.jid, type="chat")
    request = bot.request().json
    assert (request["body"], request["fallback_body"]) == ("Yes", "> 🐢?\n")
    assert request["reply"] == {"id": "m1"}


def test_a_bounce_of_what_was_sent(bot, peer):
    error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    peer.send("message", error, to=bot.jid, type="error")
    assert bot.request().json["error"] == {"type": "cancel", "condition": "gone"}


def test_many_reactions(bot, peer):
    many = "<reaction>1</reaction>" * 10_000
    peer.send("message", f"<reactions xmlns='urn:xmpp:reactions:0' id='m1'>{many}</reactions>", to=bot.jid, type="chat")
    assert bot.request().json["reactions"]["reactions"] == ["1"] * 10_000
