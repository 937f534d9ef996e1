"""The addresses under which the target knows its requesters, and who may answer to them or ask there."""

import pytest

from harness import config
from harness.client import Component
from harness.config import component
from harness.prosody import COMPONENT_SECRET, Prosody
from harness.target import TargetClient

ACCOUNTS = {"service@localhost": "secret", "hasty@localhost": "secret"}
LONG_HOST = ".".join(["a" * 60] * 9) + ".test"
STRANGER = "<query xmlns='urn:example:forged'/>"


def hosts(backend):
    return [component("proxy.test", "client_proxy", target_address="service@localhost"),
            component("hasty.test", "client_proxy", target_address="hasty@localhost", proxy_iq_timeout=1),
            config.external_component(LONG_HOST, COMPONENT_SECRET)]


@pytest.fixture(scope="module")
def target(prosody):
    """Two resources of which only the first gets requests, since the second asks not to be disturbed."""
    client = TargetClient(prosody, "service@localhost", "one")
    prosody.wait_for_log("service@localhost is available")
    client.other = TargetClient(prosody, "service@localhost", "two", "<show>dnd</show>")
    yield client
    client.other.close()
    client.close()


@pytest.fixture(scope="module")
def distant(prosody):
    """A component with a very long name."""
    component = Component(prosody.component_port, LONG_HOST, COMPONENT_SECRET)
    yield component
    component.close()


def address(target, peer, to="proxy.test"):
    """The address under which the target gets a request of the peer's, which is answered."""
    id = peer.iq(to)
    request = target.request()
    target.answer(request)
    assert peer.receive().id == id
    return request.sender


def encoded(address):
    return address.split("/", 1)[1].encode()


def names():
    """Nodes and resources of many lengths and scripts."""
    for letter in "aéж語𐌰":
        for length in (1, 40, 300, 1023):
            yield letter * max(1, length // len(letter.encode()))


def test_every_requester_has_an_address_of_its_own_that_fits(target, peers, distant):
    seen = {}
    for network in (peers, distant):
        for node in names():
            for resource in ("r", "é" * 20, "語" * 341, "R" * 1023):
                peer = network.peer(f"{node}@{network.domain}/{resource}")
                seen[peer.jid] = address(target, peer)
    assert len(set(seen.values())) == len(seen)
    assert max(len(encoded(address)) for address in seen.values()) <= 1023
    assert max(len(jid.encode()) for jid in seen) >= 2600
    for jid, known in list(seen.items())[::7]:
        network = distant if LONG_HOST in jid else peers
        assert address(target, network.peer(jid)) == known


def test_the_address_does_not_depend_on_what_was_addressed(target, peer):
    assert len({address(target, peer, to) for to in ("proxy.test", "x@proxy.test", "x@proxy.test/y")}) == 1


def test_resources_of_one_account_are_different_requesters(target, peers):
    assert address(target, peers.peer("z@peers.test/1")) != address(target, peers.peer("z@peers.test/2"))


# Nobody but the resource asked can answer, and only once

def test_a_stranger_who_knows_the_address_cannot_answer(prosody, target, peer, peers):
    stranger = peers.peer()
    id = peer.iq("proxy.test")
    request = target.request()
    for type in ("result", "error"):
        position = prosody.log_position()
        stranger.iq(request.sender, STRANGER, type, id=id)
        prosody.wait_for_log(f"Dropped an iq of type {type} from {stranger.jid}", level="debug", since=position)
    target.answer(request)
    assert peer.receive().type == "result"
    assert peer.inbox.waiting() == []


def test_another_resource_of_the_target_cannot_answer(target, peer):
    id = peer.iq("proxy.test")
    request = target.request()
    target.other.answer(request, STRANGER)
    target.other.synchronise()
    target.answer(request, "<right xmlns='urn:example:right'/>")
    answer = peer.receive()
    assert answer.id == id
    assert answer.child("{urn:example:right}right") is not None


@pytest.mark.parametrize("change", [{"id": "guessed"}, {"to": "proxy.test"}, {"to": "x@proxy.test"}],
                         ids=["id", "host", "user"])
def test_an_answer_to_something_else_is_dropped(target, peer, change):
    peer.iq("proxy.test")
    request = target.request()
    target.answer(request, STRANGER, **change)
    target.answer(request, "<right xmlns='urn:example:right'/>")
    assert peer.receive().child("{urn:example:right}right") is not None
    assert peer.inbox.waiting() == []


def test_an_answer_counts_once(target, peer):
    peer.iq("proxy.test")
    request = target.request()
    target.answer(request)
    target.answer(request)
    target.answer(request, "<error type='cancel'/>", "error")
    assert peer.receive().type == "result"
    address(target, peer)
    assert peer.inbox.waiting() == []


def test_a_request_without_an_answer_times_out_and_a_late_answer_is_dropped(prosody, peer):
    target = TargetClient(prosody, "hasty@localhost", "one")
    prosody.wait_for_log("hasty@localhost is available")
    for type in ("get", "set"):
        id = peer.iq("x@hasty.test", type=type)
        answer = peer.receive()
        assert (answer.id, answer.sender, answer.error) == (id, "x@hasty.test", "wait/remote-server-timeout")
        target.answer(target.request())
        target.synchronise()
    address(target, peer, "hasty.test")
    target.close()


# The target asks in turn

def test_the_target_asks_a_requester_that_it_has_served(target, peer):
    known = address(target, peer, "x@proxy.test")
    for type in ("get", "set"):
        target.iq(known, STRANGER, "asked", type)
        request = peer.receive()
        assert (request.sender, request.to, request.type) == ("proxy.test", peer.jid, type)
        peer.iq(request.sender, STRANGER, "result", id=request.id)
        answer = target.receive()
        assert (answer.sender, answer.to, answer.id, answer.type) == (known, "service@localhost/one", "asked", "result")
        assert answer.child("{urn:example:forged}query") is not None


def test_each_resource_of_the_target_gets_its_own_answer(target, peer):
    known = address(target, peer)
    requests = []
    for resource in (target, target.other):
        resource.iq(known, STRANGER, "asked")
        requests.append(peer.receive())
    for request, name in zip(requests, ("one", "two"), strict=True):
        peer.iq("proxy.test", f"<name xmlns='urn:example:name'>{name}</name>", "result", id=request.id)
    for resource, name in ((target, "one"), (target.other, "two")):
        answer = resource.receive()
        assert (answer.id, answer.text("{urn:example:name}name")) == ("asked", name)


def test_a_requester_with_a_very_long_jid_can_be_asked(target, distant):
    peer = distant.peer(f"{'é' * 511}@{LONG_HOST}/{'R' * 1023}")
    target.iq(address(target, peer), STRANGER, "asked")
    request = peer.receive()
    peer.iq("proxy.test", "", "result", id=request.id)
    assert target.receive().id == "asked"


def test_nobody_else_can_answer_what_the_target_asks(target, peer, peers):
    known = address(target, peer)
    target.iq(known, STRANGER, "asked")
    request = peer.receive()
    peers.peer().iq("proxy.test", STRANGER, "result", id=request.id)
    peer.iq("x@proxy.test", STRANGER, "result", id=request.id)
    peer.iq("proxy.test", "<right xmlns='urn:example:right'/>", "result", id=request.id)
    assert target.receive().child("{urn:example:right}right") is not None
    assert target.inbox.waiting() == []


def test_what_the_target_asks_times_out_too(prosody, peer):
    target = TargetClient(prosody, "hasty@localhost", "asking")
    target.answer_all()
    prosody.wait_for_log("hasty@localhost is available")
    peer.iq("hasty.test")
    known = target.request().sender
    assert peer.receive().type == "result"
    target.iq(known, STRANGER, "asked")
    request = peer.receive()
    answer = target.receive()
    assert (answer.sender, answer.id, answer.error) == (known, "asked", "wait/remote-server-timeout")
    peer.iq("hasty.test", "", "result", id=request.id)
    target.synchronise()
    assert target.inbox.waiting() == []
    target.close()


def test_addresses_that_are_nobody_s(target, peer):
    known = address(target, peer)
    forged = known[:-1] + ("A" if known[-1] != "A" else "Q")
    target.iq(forged, STRANGER, "asked")
    answer = target.receive()
    assert (answer.sender, answer.id, answer.error) == (forged, "asked", "cancel/item-not-found")
    target.message(known, "<body>hello</body>", id="m")
    assert target.receive().error == "cancel/feature-not-implemented"


def test_others_get_nowhere_with_somebody_s_address(target, peer, peers):
    known = address(target, peer)
    other = peers.peer()
    id = other.iq(known)
    target.answer(target.request())
    assert (other.receive().id, peer.inbox.waiting()) == (id, [])


# What survives

def test_addresses_survive_a_restart():
    with Prosody(hosts(None), accounts=ACCOUNTS) as prosody:
        seen = []
        for _ in range(2):
            component = Component(prosody.component_port, "peers.test", COMPONENT_SECRET)
            target = TargetClient(prosody, "service@localhost", "one")
            prosody.wait_for_log("service@localhost is available")
            seen.append(address(target, component.peer("romeo@peers.test/orchard")))
            target.close()
            component.close()
            assert prosody.stop() == 0
            if len(seen) == 1:
                prosody.start()
        assert seen[0] == seen[1]
