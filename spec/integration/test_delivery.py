"""Never lost, never doubled, never looping: every stanza taken ends in exactly one outcome."""

import pytest

from harness import behaviours, bot as bots
from harness.behaviours import by_body, not_as_described, reply, respond
from harness.client import User
from limits import needs_bounces

ACCOUNTS = {"alice@localhost": "secret"}
EVERYTHING = {"component_post_stanzas": ["message", "presence", "iq"]}
ERROR = ("<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>")


def hosts(backend):
    return [
        bots.component(backend, **EVERYTHING),
        bots.component(backend, "small.test", component_post_concurrency=1, component_post_queue_size=2, **EVERYTHING),
        bots.component(backend, "slow.test", component_post_concurrency=1, component_post_timeout=1, **EVERYTHING),
        bots.component(backend, "stuck.test", component_post_concurrency=2),
        bots.component(backend, "hung.test"),
    ]


# A full queue

def test_full_queue_refuses_at_once(bot_at, peers):
    small = bot_at("small.test")
    small.behave(behaviours.held(behaviours.echo))
    senders = [peers.peer() for _ in range(6)]
    senders[0].say(small.jid, "0")
    small.wait_for_requests(1)
    ids = [sender.say(small.jid, str(number)) for number, sender in enumerate(senders[1:], 1)]
    for sender, sent in list(zip(senders[1:], ids, strict=True))[2:]:
        refused = sender.receive()
        assert (refused.id, refused.error) == (sent, "wait/resource-constraint")
    small.release()
    for number, sender in enumerate(senders[:3]):
        assert sender.receive().body == str(number)
    assert len(small.requests) == 3


def test_full_queue_of_one_conversation(bot_at, peer):
    small = bot_at("small.test")
    small.behave(behaviours.held(behaviours.echo))
    peer.say(small.jid, "0")
    small.wait_for_requests(1)
    ids = [peer.say(small.jid, str(number)) for number in range(1, 5)]
    assert [(refused.id, refused.error) for refused in (peer.receive(), peer.receive())] == [
        (ids[2], "wait/resource-constraint"), (ids[3], "wait/resource-constraint")]
    small.release()
    assert [peer.receive().body for _ in range(3)] == ["0", "1", "2"]


@pytest.mark.parametrize("kind, type", [("iq", "get"), ("iq", "set"), ("presence", None)])
def test_full_queue_for_other_kinds(bot_at, peers, kind, type):
    small = bot_at("small.test")
    small.behave(behaviours.hang)
    for number in range(3):
        peers.peer().say(small.jid, str(number))
        if number == 0:
            small.wait_for_requests(1)
    peer = peers.peer()
    sent = peer.send(kind, "<q xmlns='urn:example:q'/>", to=small.jid, type=type)
    refused = peer.receive()
    assert (refused.kind, refused.id, refused.error) == (kind, sent, "wait/resource-constraint")
    small.release()
    small.wait_for_requests(3)
    small.endpoint.wait_until_idle()


def test_full_queue_is_silent_towards_rooms_and_errors(bot_at, peers, prosody):
    small = bot_at("small.test")
    small.behave(behaviours.held(behaviours.echo))
    waiting = [peers.peer() for _ in range(3)]
    for number, other in enumerate(waiting):
        other.say(small.jid, str(number))
        if number == 0:
            small.wait_for_requests(1)
    peer = peers.peer()
    position = prosody.log_position()
    peer.say(small.jid, type="groupchat")
    small.complaint(prosody, position, "queue|full")
    peer.send("message", ERROR, to=small.jid, type="error")
    peer.send("iq", "", to=small.jid, type="result")
    small.release()
    for number, other in enumerate(waiting):
        assert other.receive().body == str(number)
    assert not small.everything_for(peer)


def test_service_recovers_after_a_full_queue(bot_at, peer):
    small = bot_at("small.test")
    small.behave(behaviours.held(respond(204)))
    peer.say(small.jid)
    small.wait_for_requests(1)
    for _ in range(10):
        peer.say(small.jid)
    for _ in range(8):
        assert peer.receive().error == "wait/resource-constraint"
    small.release()
    small.wait_for_requests(3)
    assert not small.everything_for(peer)


# An iq gets exactly one answer

IQ_BEHAVIOURS = {
    "204": (respond(204), None),
    "200 without JSON": (respond(200, "hi", "text/plain"), None),
    "empty object": (respond(body="{}"), None),
    "empty array": (respond(body="[]"), None),
    "iq reply": (reply(kind="iq"), None),
    "404": (respond(404), "cancel/item-not-found"),
    "500": (respond(500), "cancel/internal-server-error"),
    "redirect": (respond(302), "cancel/service-unavailable"),
    "broken JSON": (not_as_described(respond(body="{")), "cancel/internal-server-error"),
    "garbage": (behaviours.raw(b"garbage\r\n\r\n"), "wait/remote-server-timeout"),
    "reset": (behaviours.reset, "wait/remote-server-timeout"),
    "close": (behaviours.close, "wait/remote-server-timeout"),
}


@pytest.mark.parametrize("to, type, behaviour, error", [
    *(pytest.param("bot@bot.test", "get", *outcome, id=name) for name, outcome in IQ_BEHAVIOURS.items()),
    *(pytest.param(to, "set", respond(204), None, id=f"set to {to}") for to in ["bot.test", "bot@bot.test/r"])])
def test_iq_gets_exactly_one_answer(bot, peer, to, type, behaviour, error):
    bot.behave(behaviour)
    sent = peer.iq(to, type=type)
    answer = peer.receive()
    assert (answer.kind, answer.id, answer.sender, answer.to) == ("iq", sent, to, peer.jid)
    assert answer.type == ("error" if error else "result")
    assert answer.error == error
    assert not bot.everything_for(peer, to)
    assert len(bot.requests) == 1


def test_empty_result_has_no_payload(bot, peer):
    peer.iq(bot.jid)
    assert len(peer.receive().element) == 0


def test_other_replies_do_not_replace_the_answer_of_an_iq(bot, peer, peers):
    other = peers.peer()
    bot.behave(reply({"body": "by the way"}, {"kind": "presence", "to": other.jid}))
    sent = peer.iq(bot.jid)
    received = sorted((peer.receive() for _ in range(2)), key=lambda stanza: stanza.kind)
    assert [(stanza.kind, stanza.type) for stanza in received] == [("iq", "result"), ("message", "chat")]
    assert received[0].id == sent
    assert other.receive().kind == "presence"
    assert not bot.everything_for(peer)


def test_iq_of_a_user(bot, prosody):
    user = User(prosody.c2s_port, "alice@localhost", "secret")
    user.iq(bot.jid, "<query xmlns='jabber:iq:version'/>", "v1")
    answer = user.receive()
    assert (answer.type, answer.id, answer.sender) == ("result", "v1", bot.jid)
    user.close()


# Errors and results are never answered

OUTCOMES = {
    "reply": reply(body="answer"), "iq reply": reply(kind="iq"), "404": respond(404), "500": respond(500),
    "unusable": not_as_described(respond(body="broken")), "reset": behaviours.reset,
    "garbage": behaviours.raw(b"garbage"), "accepted": respond(204)}


@pytest.mark.parametrize("kind, type, content, behaviour", [
    *(pytest.param("message", "error", ERROR, outcome, id=name) for name, outcome in OUTCOMES.items()),
    pytest.param("presence", "error", ERROR, OUTCOMES["404"], id="presence"),
    pytest.param("iq", "error", ERROR, OUTCOMES["iq reply"], id="iq error"),
    pytest.param("iq", "result", "", OUTCOMES["reset"], id="iq result")])
def test_error_or_result_is_forwarded_but_never_answered(bot, peer, kind, type, content, behaviour):
    bot.behave(behaviour)
    peer.send(kind, content, to=bot.jid, type=type)
    forwarded = bot.request().json
    assert (forwarded["kind"], forwarded["type"]) == (kind, type)
    bot.endpoint.wait_until_idle()
    assert not bot.everything_for(peer)
    assert not bot.everything_for(peer)


# No loops

def test_reply_to_the_component_itself_does_not_come_back(bot, peer):
    bot.behave(reply(
        {"to": "OTHER@BOT.TEST/r", "body": "loop"}, {"stanza": "<message to='bot.test'/>"}, {"body": "out"}))
    peer.say(bot.jid)
    assert peer.receive().body == "out"
    assert not bot.everything_for(peer)
    assert len(bot.requests) == 1


@needs_bounces
def test_bounce_of_a_reply_is_forwarded_once_and_ends_there(bot, peer):
    """A reply to a user that does not exist comes back as an error; answering that would loop."""
    bot.behave(reply(to="nobody@localhost/gone", body="hi"))
    peer.say(bot.jid)
    bounce = bot.wait_for_requests(2)[1].json
    assert (bounce["type"], bounce["from"]) == ("error", "nobody@localhost/gone")
    bot.endpoint.wait_until_idle()
    assert not bot.everything_for(peer)
    assert len(bot.requests) == 2


# A service that hangs

def test_hung_conversation_delays_no_other(bot, peers):
    bot.behave(by_body({"hang": behaviours.hang}))
    peers.peer().say(bot.jid, "hang")
    bot.wait_for_requests(1)
    for number in range(20):
        other = peers.peer()
        other.say(bot.jid, str(number))
        assert other.receive().body == str(number)
    assert [request.answered for request in bot.requests].count(None) == 1


def test_hung_component_delays_no_other(bot, bot_at, peers):
    stuck = bot_at("stuck.test")
    stuck.behave(behaviours.hang)
    for _ in range(50):
        peers.peer().say(stuck.jid)
    stuck.wait_for_requests(2)
    bot.behave(behaviours.echo)
    other = peers.peer()
    other.say(bot.jid, "quick")
    assert other.receive().body == "quick"
    assert stuck.endpoint.in_flight == 2


def test_hung_service_does_not_delay_prosody(bot_at, peers, prosody):
    hung = bot_at("hung.test")
    hung.behave(behaviours.hang)
    for _ in range(250):
        peers.peer().say(hung.jid)
    hung.wait_for_requests(250)
    user = User(prosody.c2s_port, "alice@localhost", "secret")
    user.iq("localhost", "<ping xmlns='urn:xmpp:ping'/>", "p")
    assert (user.receive().type, hung.endpoint.in_flight) == ("result", 250)
    user.close()
    hung.release()
    hung.endpoint.wait_until_idle()


def test_time_out_of_an_iq_counts_from_its_arrival(bot_at, peers):
    """The only worker hangs on one message and then on the next; the iq behind them gives up before the second does."""
    slow = bot_at("slow.test")
    slow.behave(behaviours.hang)
    component_outcomes = peers.peer("patient@peers.test/desk")
    first = component_outcomes.say("a@slow.test")
    slow.wait_for_requests(1)
    second = component_outcomes.say("b@slow.test")
    third = component_outcomes.say("c@slow.test")
    iq = component_outcomes.iq("d@slow.test")
    outcomes = [component_outcomes.receive() for _ in range(4)]
    assert {outcome.error for outcome in outcomes} == {"wait/remote-server-timeout"}
    order = [outcome.id for outcome in outcomes]
    assert sorted(order) == sorted([first, second, third, iq])
    assert order.index(iq) < order.index(third)
    slow.release()
    slow.endpoint.wait_until_idle()
    assert "iq" not in [request.json["kind"] for request in slow.requests], "an iq was POSTed after its time-out"
