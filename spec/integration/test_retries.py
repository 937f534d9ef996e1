"""Attempts that fail are made again, a service that is down is left alone, and nobody takes it all."""

import socket

import pytest

from harness import behaviours, bot as bots, config
from harness.backend import Backend
from harness.behaviours import in_turn, respond
from harness.waiting import wait_until

TIMEOUT = "wait/remote-server-timeout"
LATER = "later.test"


def hosts(backend):
    retrying = {"component_post_retry_for": 60, "component_post_stanzas": ["message", "iq"]}
    return [
        bots.component(backend, **retrying),
        bots.component(backend, "again.test", component_post_delivery="at-least-once", **retrying),
        bots.component(backend, "once.test"),
        bots.component(backend, "down.test", component_post_concurrency=4, **retrying),
        bots.component(backend, "shared.test", component_post_concurrency=4, **retrying),
        bots.component(backend, "late.test", component_post_retry_for="2s"),
    ]


def keys_and_bodies(requests):
    return {(request.header("idempotency-key"), bytes(request.body)) for request in requests}


@pytest.mark.parametrize("failure", [
    respond(503), respond(429), respond(408), respond(425), respond(503, headers=[("Retry-After", "0")])])
def test_what_was_not_processed_is_posted_again_to_the_byte(bot, peer, failure):
    bot.behave(in_turn(failure, failure, behaviours.echo))
    peer.say(bot.jid, "Grüße & <Küsse>")
    assert peer.receive().body == "Grüße & <Küsse>"
    assert len(bot.requests) == 3
    assert len(keys_and_bodies(bot.requests)) == 1


def test_a_conversation_waits_for_its_first_and_others_do_not(bot, peers):
    alice, bob = peers.peer(), peers.peer()
    bot.behave(in_turn(respond(503), behaviours.echo))
    alice.say(bot.jid, "1")
    bot.wait_for_requests(1)
    alice.say(bot.jid, "2")
    bob.say(bot.jid, "3")
    assert [alice.receive().body, alice.receive().body, bob.receive().body] == ["1", "2", "3"]
    assert [request.json["body"] for request in bot.requests] == ["1", "3", "1", "2"]


@pytest.mark.parametrize("failure", [behaviours.reset, behaviours.close, respond(500), respond(502), respond(504)])
def test_what_the_service_may_have_processed_is_posted_again_only_if_the_admin_says_so(bot, bot_at, peer, failure):
    bot.behave(failure)
    peer.say(bot.jid)
    assert peer.receive().error
    assert len(bot.requests) == 1
    again = bot_at("again.test")
    again.behave(in_turn(failure, behaviours.echo))
    peer.say(again.jid, "hello")
    assert peer.receive().body == "hello"
    assert len(keys_and_bodies(again.requests)) == 1


@pytest.mark.parametrize("status, error", [(404, "cancel/item-not-found"), (501, "cancel/feature-not-implemented")])
def test_what_the_service_refuses_is_posted_once(bot_at, peer, status, error):
    again = bot_at("again.test")
    again.behave(respond(status))
    peer.say(again.jid)
    assert peer.receive().error == error
    assert len(again.requests) == 1


def test_a_service_that_asks_for_too_much_time_is_not_waited_for(bot, peer):
    bot.behave(respond(429, headers=[("Retry-After", "3600")]))
    peer.say(bot.jid)
    assert peer.receive().error == "wait/resource-constraint"
    assert len(bot.requests) == 1


def test_without_time_for_retries_there_is_one_attempt(bot_at, peer):
    once = bot_at("once.test")
    once.behave(in_turn(respond(503), behaviours.echo))
    peer.say(once.jid)
    assert peer.receive().error == TIMEOUT
    assert len(once.requests) == 1


def test_the_time_for_retries_ends(bot_at, peer):
    late = bot_at("late.test")
    late.behave(respond(503))
    peer.say(late.jid)
    assert peer.receive().error == TIMEOUT
    assert len(late.requests) > 1


def test_a_service_that_is_started_later_gets_what_has_waited(peer_of):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    host = config.component(LATER, component_post_url=f"http://127.0.0.1:{port}/",
                            component_post_retry_for=30)
    with peer_of([host]) as peer:
        senders = [peer.component.peer() for _ in range(20)]
        for sender in senders:
            sender.say(f"bot@{LATER}", sender.jid)
        peer.prosody.wait_for_log("the service is down: .* refused", level="warn")
        with Backend(port=port) as backend:
            backend.endpoint("/").behave(behaviours.echo)
            for sender in senders:
                assert sender.receive().body == sender.jid
            assert len(backend.endpoint("/").requests) == len(senders)
        peer.prosody.wait_for_log("the service answers again: it was down for", level="info")


def test_a_service_that_is_down_gets_one_attempt_at_a_time(prosody, bot_at, peers):
    down = bot_at("down.test")
    since = prosody.log_position()
    down.behave(respond(503))
    senders = [peers.peer() for _ in range(30)]
    for sender in senders:
        sender.say(down.jid, sender.jid)
    prosody.wait_for_log("the service is down: .*HTTP status 503", level="warn", source=down.source, since=since)
    begun = len(down.requests)
    down.behave(behaviours.held(respond(503)))
    down.wait_for_requests(begun + 1)
    down.behave(behaviours.echo)
    down.release()
    for sender in senders:
        assert sender.receive().body == sender.jid
    prosody.wait_for_log(r"the service answers again: it was down for \d", level="info", source=down.source,
                         since=since)
    told = [entry.text for entry in prosody.log(since) if entry.level != "debug" and entry.source == down.source]
    assert len(told) == 2, told
    # Besides those that were under way when it went down there was one attempt, and then each was made once.
    assert begun <= 5 + 3
    assert len(down.requests) == begun + 1 + len(senders)


def test_one_sender_has_half_of_the_places(bot_at, peers):
    shared = bot_at("shared.test")
    shared.behave(behaviours.by_body({"hang": behaviours.hang}, behaviours.echo))
    flood, other = peers.peer(), peers.peer()
    for number in range(20):
        flood.say(f"{number}@shared.test", "hang")
    shared.wait_for_requests(2)
    other.say(shared.jid, "hello")
    assert other.receive().body == "hello"
    assert len(shared.requests) == 3
    shared.release()
    shared.wait_for_requests(21)


def test_what_waits_to_be_tried_again_survives_a_reload_and_ends_with_the_module(serve, backend):
    served = serve(component_post_retry_for=3600)
    bot = bots.Bot(backend)
    bot.behave(respond(503, headers=[("Retry-After", "2")]))
    alice = served.peer()
    alice.say(bot.jid, "waits")
    bot.wait_for_requests(1)
    bot.behave(behaviours.echo)
    served.prosody.reload("component_http", "bot.test")
    assert alice.receive().body == "waits"
    assert len(keys_and_bodies(bot.requests)) == 1
    bot.behave(respond(503, headers=[("Retry-After", "3000")]))
    alice.say(bot.jid, "ends")
    wait_until(lambda: len(bot.requests) == 3, lambda: f"{len(bot.requests)} of 3 requests")
    served.prosody.unload("component_http", "bot.test")
    assert alice.receive().error == TIMEOUT
