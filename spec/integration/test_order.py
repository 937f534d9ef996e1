"""Order within a conversation, none between conversations, and iqs that wait for nothing."""

import random
import threading
import time

import pytest

from harness import behaviours, bot as bots
from harness.behaviours import by_body, held, in_turn, reply, respond
from harness.waiting import DEADLINE


def hosts(backend):
    everything = {"component_post_stanzas": ["message", "presence", "iq"]}
    return [bots.component(backend, **everything),
            bots.component(backend, "unordered.test", component_post_ordered=False)]


def after_a_moment(exchange):
    time.sleep(random.Random(exchange.request.body).random() / 50)
    behaviours.echo(exchange)


def in_parallel(count):
    """Answers only when that many requests are in flight at the same time."""
    barrier = threading.Barrier(count)

    def behaviour(exchange):
        barrier.wait(DEADLINE)
        behaviours.echo(exchange)
    return behaviour



def test_one_conversation_is_posted_one_after_the_other(bot, peer):
    bot.behave(after_a_moment)
    for number in range(40):
        peer.say(bot.jid, str(number))
    assert [peer.receive().body for _ in range(40)] == [str(number) for number in range(40)]
    requests = bot.requests
    assert [request.json["body"] for request in requests] == [str(number) for number in range(40)]
    assert bot.endpoint.most_at_once() == 1


def test_a_conversation_is_bare_sender_and_bare_recipient(bot, peers):
    bot.behave(after_a_moment)
    desks = [peers.peer("many@peers.test/a"), peers.peer("many@peers.test/b")]
    for number in range(20):
        desks[number % 2].say(["bot@bot.test", "bot@bot.test/r"][number // 2 % 2], str(number))
    for number in range(20):
        assert desks[number % 2].receive().body == str(number)
    assert [request.json["body"] for request in bot.requests] == [str(number) for number in range(20)]
    assert bot.endpoint.most_at_once() == 1


def test_replies_are_sent_in_the_order_of_the_requests(bot, peers):
    bot.behave(after_a_moment)
    senders = [peers.peer() for _ in range(20)]
    for number in range(20):
        for sender in senders:
            sender.say(bot.jid, str(number))
    for sender in senders:
        assert [sender.receive().body for _ in range(20)] == [str(number) for number in range(20)]


def test_messages_and_presences_share_the_order(bot, peer):
    def kind_back(exchange):
        time.sleep(0.01)
        reply(body=exchange.request.json["id"])(exchange)
    bot.behave(kind_back)
    sent = [peer.say(bot.jid) if number % 2 else peer.presence(bot.jid) for number in range(20)]
    assert [peer.receive().body for _ in sent] == sent
    assert bot.endpoint.most_at_once() == 1


def test_different_senders_run_side_by_side(bot, peers):
    bot.behave(in_parallel(8))
    senders = [peers.peer() for _ in range(8)]
    for sender in senders:
        sender.say(bot.jid)
    for sender in senders:
        assert sender.receive().body == "hello"


def test_different_recipients_run_side_by_side(bot, peer):
    bot.behave(in_parallel(8))
    for number in range(8):
        peer.say(f"bot{number}@bot.test")
    assert {peer.receive().sender for _ in range(8)} == {f"bot{number}@bot.test" for number in range(8)}


def test_an_iq_waits_for_nothing(bot, peer):
    bot.behave(by_body({"held": held(behaviours.echo), None: reply(kind="iq")}))
    peer.say(bot.jid, "held")
    peer.say(bot.jid, "waiting behind it")
    bot.wait_for_requests(1)
    sent = peer.iq(bot.jid)
    answer = peer.receive()
    assert (answer.kind, answer.id) == ("iq", sent)
    bot.release()
    assert [peer.receive().body for _ in range(2)] == ["held", "waiting behind it"]


def test_iqs_of_one_sender_run_side_by_side(bot, peer):
    bot.behave(in_parallel(5))
    sent = {peer.iq(bot.jid) for _ in range(5)}
    assert {peer.receive().id for _ in range(5)} == sent


@pytest.mark.parametrize("failure", [
    pytest.param(respond(500), id="status"), pytest.param(behaviours.reset, id="reset"),
    pytest.param(behaviours.close, id="close"), pytest.param(behaviours.raw(b"garbage"), id="garbage"),
    pytest.param(behaviours.not_as_described(respond(body="broken")), id="unusable")])
def test_a_failure_does_not_stop_the_conversation(bot, peer, failure):
    bot.behave(in_turn(behaviours.echo, failure, behaviours.echo))
    sent = [peer.say(bot.jid, str(number)) for number in range(6)]
    outcomes = [peer.receive() for _ in sent]
    assert outcomes[1].type == "error" and outcomes[1].id == sent[1]
    assert [outcome.body for outcome in outcomes[2:]] == ["2", "3", "4", "5"]


def test_order_holds_for_a_groupchat(bot, peers):
    """All occupants of a room are one conversation, as its bare JID is the same."""
    bot.behave(after_a_moment)
    room = peers.peer("order@peers.test")
    for number in range(20):
        peers.peer(f"order@peers.test/occupant{number}")
        room.send("message", f"<body>{number}</body>", to=bot.jid, type="groupchat",
                  from_=f"order@peers.test/occupant{number}")
    assert [room.receive().body for _ in range(20)] == [str(number) for number in range(20)]


def test_unordered(bot_at, peer):
    unordered = bot_at("unordered.test")
    unordered.behave(in_parallel(8))
    for number in range(8):
        peer.say(unordered.jid, str(number))
    assert {peer.receive().body for _ in range(8)} == {str(number) for number in range(8)}
