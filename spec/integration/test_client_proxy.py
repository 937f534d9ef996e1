"""The way of a request through the proxy and back, and what happens to everything else."""

import re

import pytest

from harness.client import User
from harness.config import component
from harness.stanza import STANZA_ERRORS, canonical, parse
from harness.target import TargetClient
from harness.waiting import wait_until
from limits import needs_metrics

ACCOUNTS = {"service@localhost": "secret", "absent@localhost": "secret", "romeo@localhost": "secret"}
QUESTION = "<query xmlns='urn:example:question'><deep xml:lang='de'>Wie spät &lt; ist es?</deep></query>"
ADDRESSED = ["proxy.test", "x@proxy.test", "x@proxy.test/y", "proxy.test/y", "жук@proxy.test/Ü"]


def hosts(backend):
    return [component("proxy.test", "client_proxy", target_address="Service@LOCALHOST"),
            component("absent.test", "client_proxy", target_address="absent@localhost")]


@pytest.fixture(scope="module")
def target(prosody):
    client = TargetClient(prosody, "service@localhost", "one")
    prosody.wait_for_log("service@localhost is available")
    yield client
    client.close()


@pytest.mark.parametrize("addressed, type", zip(ADDRESSED, ["get", "set", "get", "set", "get"], strict=True))
def test_a_request_goes_to_the_target_and_its_answer_back(target, peer, addressed, type):
    id = peer.iq(addressed, QUESTION, type, lang="de")
    request = target.request()
    assert (request.to, request.id, request.type, request.lang) == ("service@localhost/one", id, type, "de")
    assert request.sender.startswith("proxy.test/")
    assert [canonical(child) for child in request.element] == [canonical(parse(QUESTION))]
    target.answer(request, QUESTION, lang="fr")
    answer = peer.receive()
    assert (answer.to, answer.sender, answer.id, answer.type) == (peer.jid, addressed, id, "result")
    assert answer.lang == "fr"
    assert [canonical(child) for child in answer.element] == [canonical(child) for child in request.element]


def test_an_error_comes_back_untouched(target, peer):
    id = peer.iq("x@proxy.test")
    error = (f"<error type='modify' by='service@localhost'><gone xmlns='{STANZA_ERRORS}'>xmpp:a@b</gone>"
             f"<text xmlns='{STANZA_ERRORS}' xml:lang='de'>weg</text><own xmlns='urn:example:own'/></error>")
    target.answer(target.request(), error, "error")
    answer = peer.receive()
    assert (answer.sender, answer.id, answer.error, answer.error_text) == ("x@proxy.test", id, "modify/gone", "weg")
    assert answer.child("error").get("by") == "service@localhost"
    assert answer.child("error").find("{urn:example:own}own") is not None


def test_a_user_of_the_same_server_is_served(prosody, target):
    romeo = User(prosody.c2s_port, "romeo@localhost", "secret", "orchard")
    romeo.iq("proxy.test", QUESTION, "1")
    target.answer(target.request())
    answer = romeo.receive()
    assert (answer.sender, answer.id, answer.type) == ("proxy.test", "1", "result")
    romeo.close()


def test_service_discovery_is_the_target_s_business(target, peer):
    peer.iq("proxy.test", "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    target.answer(target.request(), "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    assert peer.receive().type == "result"


def test_the_target_is_served_too(target):
    target.iq("x@proxy.test", QUESTION, "own")
    request = target.request()
    assert (request.id, request.sender.startswith("proxy.test/")) == ("own", True)
    target.answer(request)
    answer = target.receive()
    assert (answer.sender, answer.id, answer.type) == ("x@proxy.test", "own", "result")


def test_equal_ids_of_different_requesters(target, peers):
    requesters = [peers.peer() for _ in range(30)]
    for requester in requesters:
        requester.iq("proxy.test", id="same")
    requests = [target.request() for _ in requesters]
    assert {request.id for request in requests} == {"same"}
    assert len({request.sender for request in requests}) == len(requesters)
    for number, request in reversed(list(enumerate(requests))):
        target.answer(request, f"<number xmlns='urn:example:number'>{number}</number>")
    for number, requester in enumerate(requesters):
        answer = requester.receive()
        assert (answer.id, answer.text("{urn:example:number}number")) == ("same", str(number))
        assert requester.inbox.waiting() == []


def test_one_id_for_several_addresses(target, peer):
    for name in "abc":
        peer.iq(f"{name}@proxy.test", f"<name xmlns='urn:example:name'>{name}</name>", id="same")
    requests = [target.request() for _ in "abc"]
    for request in reversed(requests):
        target.answer(request, f"<name xmlns='urn:example:name'>{request.text('{urn:example:name}name')}</name>")
    answers = [peer.receive() for _ in "abc"]
    assert [answer.sender for answer in answers] == ["c@proxy.test", "b@proxy.test", "a@proxy.test"]
    assert {answer.id for answer in answers} == {"same"}
    assert [answer.text("{urn:example:name}name") for answer in answers] == ["c", "b", "a"]


def test_without_a_resource_the_answer_comes_at_once(peer):
    for type in ("get", "set"):
        id = peer.iq("x@absent.test", type=type)
        answer = peer.receive()
        assert (answer.id, answer.sender, answer.error) == (id, "x@absent.test", "cancel/service-unavailable")


def counters(prosody):
    """The counters of the proxy, by what they count."""
    found = re.findall(r'client_proxy\S*requests_(\w+)_total\{[^}]*host="proxy\.test"[^}]*\} (\d+)', prosody.metrics())
    return {name: int(count) for name, count in found}


@needs_metrics
def test_requests_are_counted(peer_of):
    proxy = component("proxy.test", "client_proxy", target_address="service@localhost")
    with peer_of([proxy], accounts=ACCOUNTS, options={"statistics": "internal"}) as peer:
        peer.iq("proxy.test")
        assert peer.receive().type == "error"
        client = TargetClient(peer.prosody, "service@localhost", "one")
        peer.prosody.wait_for_log("service@localhost is available")
        for type in ("get", "set", "set"):
            peer.iq("proxy.test", type=type)
            request = client.request()
        client.answer(request, "<error type='cancel'/>", "error")
        assert peer.receive().type == "error"
        client.leave()
        assert [peer.receive().type for _ in range(2)] == ["error", "error"]
        expected = {"relayed": 3, "answered": 1, "cut_off": 2, "no_resource": 1, "timed_out": 0, "refused": 0}
        wait_until(lambda: counters(peer.prosody) == expected, lambda: f"{expected}\n{peer.prosody.metrics()}")


# Everything that is no request

def nothing_comes(peer, host="absent.test"):
    """Asserts that there was no answer to what was sent before: one to what is sent now comes first."""
    id = peer.iq(host)
    assert peer.receive().id == id


@pytest.mark.parametrize("addressed, type", zip(
    ADDRESSED, [None, "chat", "normal", "headline", "groupchat"], strict=True))
def test_messages_are_not_implemented(peer, addressed, type):
    id = peer.send("message", "<body>hello</body>", to=addressed, type=type)
    answer = peer.receive()
    assert (answer.kind, answer.id, answer.sender) == ("message", id, addressed)
    assert answer.error == "cancel/feature-not-implemented"


@pytest.mark.parametrize("addressed", ADDRESSED)
def test_directed_presence_is_not_implemented(peer, addressed):
    id = peer.presence(addressed)
    answer = peer.receive()
    assert (answer.kind, answer.id, answer.sender) == ("presence", id, addressed)
    assert answer.error == "cancel/feature-not-implemented"


def test_a_message_of_the_target_is_not_implemented(target):
    target.message("proxy.test", "<body>hello</body>", id="m")
    answer = target.receive()
    assert (answer.id, answer.error) == ("m", "cancel/feature-not-implemented")


@pytest.mark.parametrize("kind", ["message", "iq"])
def test_errors_are_swallowed(peer, kind):
    peer.send(kind, f"<error type='cancel'><gone xmlns='{STANZA_ERRORS}'/></error>", to="proxy.test", type="error")
    nothing_comes(peer)


def test_stray_results_are_swallowed(peer):
    peer.iq("x@proxy.test", "", "result")
    nothing_comes(peer)


def test_presence_of_others_is_swallowed(peer):
    for type in ("unavailable", "subscribed", "unsubscribe", "unsubscribed", "probe", "error"):
        peer.presence("proxy.test", type)
    nothing_comes(peer)


@pytest.mark.parametrize("addressed", ["proxy.test", "x@proxy.test"])
def test_subscriptions_of_others_are_refused(peer, addressed):
    peer.presence(addressed, "subscribe")
    answer = peer.receive()
    assert (answer.kind, answer.sender, answer.type) == ("presence", addressed, "unsubscribed")


def test_presence_of_others_makes_no_resource(peer):
    peer.presence("absent.test")
    assert peer.receive().type == "error"
    peer.iq("absent.test")
    assert peer.receive().error == "cancel/service-unavailable"


def test_the_target_may_subscribe_in_turn(target):
    target.presence(to="proxy.test", type="subscribe")
    target.take_presence("proxy.test", "subscribed")
    target.take_presence("proxy.test", None)
