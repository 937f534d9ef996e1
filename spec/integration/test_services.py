"""Several services: each conversation sticks to one, goes elsewhere when that one is down, and comes back."""

import contextlib
import threading

import pytest

from harness import behaviours
from harness.backend import Backend
from harness.balancer import Balancer
from harness.behaviours import held, respond
from harness.config import component
from harness.prosody import free_port
from harness.waiting import wait_until

HOST = "bot.test"
JID = f"bot@{HOST}"
SENDERS, MESSAGES = 30, 12
# What was under way when a service is killed may be repeated as well.
RETRYING = {"component_post_retry_for": 60, "component_post_delivery": "at-least-once"}


class Pair:
    """Two services that echo, of which one may be killed and started again."""

    def __enter__(self):
        self.ports = [free_port(), free_port()]
        self.urls = [f"http://127.0.0.1:{port}/secret" for port in self.ports]
        self.services = [None, None]
        self.start(0)
        self.start(1)
        return self

    def __exit__(self, *_):
        for number, service in enumerate(self.services):
            if service:
                self.kill(number)

    def start(self, number):
        self.services[number] = Backend(port=self.ports[number])
        self.endpoint(number).behave(behaviours.echo)

    def kill(self, number):
        self.services[number].__exit__()
        self.services[number] = None

    def endpoint(self, number):
        return self.services[number].endpoint("/secret")

    def requests(self):
        """All requests so far, with the numbers of the services."""
        return [(number, request) for number, service in enumerate(self.services) if service
                for request in self.endpoint(number).requests]

    def places(self):
        """At which services each sender's stanzas have been so far."""
        places = {}
        for number, request in self.requests():
            places.setdefault(request.json["from"], set()).add(number)
        return places


@pytest.fixture
def pair():
    with Pair() as services:
        yield services


@pytest.fixture
def serve_component(peer_of):
    """A function that starts a Prosody with one component; gives its peers."""
    with contextlib.ExitStack() as stack:
        def start(**options):
            peer = stack.enter_context(peer_of([component(HOST, **options)]))
            return peer.prosody, peer.component
        yield start


def talk(senders, numbers):
    """Each sender says the numbers, one after the other, without waiting for answers."""
    for number in numbers:
        for sender in senders:
            sender.say(JID, str(number))


def answers(sender, count):
    received = [sender.receive() for _ in range(count)]
    return [answer.error or answer.body for answer in received]


def numbers(first, last):
    return [str(number) for number in range(first, last)]


def test_one_of_two_is_killed_under_load_and_nobody_sees_an_error(pair, serve_component):
    prosody, peers = serve_component(component_post_url=pair.urls, component_post_stanzas=["message", "iq"], **RETRYING)
    senders = [peers.peer() for _ in range(SENDERS)]
    talk(senders, range(2))
    for sender in senders:
        assert answers(sender, 2) == numbers(0, 2)
    homes = pair.places()
    assert {len(places) for places in homes.values()} == {1}, "a conversation sticks to one"
    assert {number for places in homes.values() for number in places} == {0, 1}
    for sender in senders:
        sender.iq(JID)
        assert sender.receive().type == "result"
    assert pair.places() == homes, "an iq goes where its conversation goes"

    talk(senders, range(2, MESSAGES))
    wait_until(lambda: len(pair.endpoint(0).requests) > 20, "requests at the one that is killed")
    pair.kill(0)
    for sender in senders:
        assert answers(sender, MESSAGES - 2) == numbers(2, MESSAGES)
    down = prosody.wait_for_log("the service is down", level="warn")
    assert f"at http://127.0.0.1:{pair.ports[0]} have failed" in down.text
    assert "secret" not in down.text

    pair.start(0)
    pair.endpoint(1).start_afresh(behaviours.echo)
    position = prosody.log_position()
    stop, strangers = threading.Event(), [peers.peer() for _ in range(20)]

    def come_and_go():
        while not stop.wait(0.1):
            talk(strangers, ["hello"])
    with contextlib.ExitStack() as stack:
        speaker = threading.Thread(target=come_and_go)
        stack.callback(speaker.join)
        stack.callback(stop.set)
        speaker.start()
        back = prosody.wait_for_log("the service answers again: it was down for", level="info", since=position)
    assert f"http://127.0.0.1:{pair.ports[0]}" in back.text
    pair.endpoint(0).start_afresh(behaviours.echo)
    pair.endpoint(1).start_afresh(behaviours.echo)
    talk(senders, ["home"])
    for sender in senders:
        assert answers(sender, 1) == ["home"]
    at_home = {sender.jid: homes[sender.jid] for sender in senders}
    assert {jid: places for jid, places in pair.places().items() if jid in at_home} == at_home, "all are back"


def test_without_an_attempt_in_hand_a_dead_service_costs_nobody_an_error_at_most_once(pair, serve_component):
    _, peers = serve_component(component_post_url=pair.urls, component_post_retry_for=60)
    pair.kill(0)
    senders = [peers.peer() for _ in range(SENDERS)]
    talk(senders, range(3))
    for sender in senders:
        assert answers(sender, 3) == numbers(0, 3)


def test_one_that_hangs_with_all_that_it_may_have_delays_no_other(pair, serve_component):
    _, peers = serve_component(
        component_post_routes={"hung": pair.urls[0], "quick": pair.urls[1]}, component_post_concurrency=20,
        component_post_timeout=600)
    pair.endpoint(0).behave(behaviours.hang)
    for _ in range(50):
        peers.peer().say(f"hung@{HOST}")
    pair.endpoint(0).wait_for_requests(20)
    pair.endpoint(1).behave(held(behaviours.echo))
    others = [peers.peer() for _ in range(20)]
    for other in others:
        other.say(f"quick@{HOST}")
    pair.endpoint(1).wait_for_requests(20)
    pair.endpoint(1).release()
    for other in others:
        assert other.receive().body == "hello"
    assert len(pair.endpoint(0).requests) == 20, "component_post_concurrency holds per URL"
    pair.endpoint(0).release()


def test_routes(pair, serve_component):
    _, peers = serve_component(component_post_routes={"": pair.urls[0], "Weather": [pair.urls[1]]})
    alice = peers.peer()
    pair.endpoint(0).behave(respond(404))
    alice.say(f"weather@{HOST}/tokyo", "Tokyo")
    assert alice.receive().body == "Tokyo"
    alice.say(HOST)
    assert alice.receive().error == "cancel/item-not-found"
    assert [request.json["to"] for _, request in pair.requests()] == [HOST, f"weather@{HOST}/tokyo"]
    alice.say(f"nobody@{HOST}")
    assert alice.receive().error == "cancel/item-not-found"
    assert len(pair.requests()) == 2


def test_what_no_route_is_for_goes_to_the_url_of_all(pair, serve_component):
    prosody, peers = serve_component(component_post_url=pair.urls[0], component_post_routes={"weather": pair.urls})
    alice = peers.peer()
    alice.say(f"anybody@{HOST}", "hello")
    assert alice.receive().body == "hello"
    assert len(pair.endpoint(0).requests) == 1
    line = prosody.wait_for_log("^POSTs message").text
    names = [f"http://127.0.0.1:{port}" for port in pair.ports]
    assert line.startswith(f"POSTs message to {names[0]}; for weather to {names[0]}, {names[1]}: up to 2 times 256 at")


def test_a_reload_takes_a_service_out_and_its_conversations_go_on(pair, serve_component):
    prosody, peers = serve_component(component_post_url=pair.urls, component_post_concurrency=10)
    for number in (0, 1):
        pair.endpoint(number).behave(held(behaviours.echo))
    senders = [peers.peer() for _ in range(2 * SENDERS)]
    talk(senders, range(2))
    for number in (0, 1):
        pair.endpoint(number).wait_for_requests(10)
    before = component(HOST, component_post_url=pair.urls, component_post_concurrency=10).section()
    prosody.reconfigure(before, component(HOST, component_post_url=pair.urls[1],
                                          component_post_concurrency=10).section())
    prosody.reload("component_http", HOST)
    pair.endpoint(0).release()
    pair.endpoint(1).release()
    for sender in senders:
        assert answers(sender, 2) == numbers(0, 2)
    assert len(pair.endpoint(0).requests) == 10, "what was under way, and nothing more"
    keys = [request.header("idempotency-key") for _, request in pair.requests()]
    assert len(set(keys)) == len(keys) == 2 * len(senders)


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_one_of_two_behind_a_balancer_is_killed_under_load_and_nobody_sees_an_error(pair, serve_component, name):
    with Balancer(name, pair.ports) as balancer:
        _, peers = serve_component(component_post_url=f"{balancer.url}secret", **RETRYING)
        senders = [peers.peer() for _ in range(SENDERS)]
        talk(senders, range(MESSAGES))
        wait_until(lambda: len(pair.endpoint(0).requests) > 20, "requests at the one that is killed")
        pair.kill(0)
        for sender in senders:
            assert answers(sender, MESSAGES) == numbers(0, MESSAGES)
        assert pair.endpoint(1).requests
