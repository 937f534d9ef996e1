"""Many requests at once, while resources come and go and the module is reloaded: one answer each."""

import collections

import pytest

from harness.config import component
from harness.target import TargetClient

ACCOUNTS = {"service@localhost": "secret"}
REQUESTERS = 40
OUTSTANDING = 2000


def hosts(backend):
    return [component("proxy.test", "client_proxy", target_address="service@localhost")]


@pytest.fixture
def steady(prosody):
    """A resource that is there all the time, and answers all."""
    client = TargetClient(prosody, "service@localhost", "steady")
    client.answer_all()
    prosody.wait_for_log("service@localhost is available")
    yield client
    client.leave()


def number(count):
    return f"<number xmlns='urn:example:number'>{count}</number>"


def one_answer_each(sent):
    """The outcomes of what each peer sent: exactly one for each id, and nothing else."""
    outcomes = collections.Counter()
    for peer, ids in sent.items():
        answers = [peer.receive() for _ in ids]
        assert sorted(answer.id for answer in answers) == sorted(ids)
        assert {answer.sender for answer in answers} == {"proxy.test"}
        outcomes.update((answer.type, answer.error) for answer in answers)
    for peer in sent:
        assert peer.inbox.waiting() == []
    return outcomes


def test_many_requests_outstanding_when_their_resource_goes(prosody, peers, steady):
    """They go to another one, which answers the last first."""
    leaving = TargetClient(prosody, "service@localhost", "leaving")
    steady.presence("<show>dnd</show>")
    steady.hold()
    sent = {peer: [peer.iq("proxy.test", number(count)) for count in range(OUTSTANDING // REQUESTERS)]
            for peer in (peers.peer() for _ in range(REQUESTERS))}
    for _ in range(OUTSTANDING):
        leaving.request()
    leaving.leave()
    for request in reversed([steady.request() for _ in range(OUTSTANDING)]):
        steady.answer(request)
    assert one_answer_each(sent) == {("result", None): OUTSTANDING}


def test_resources_come_and_go(prosody, peers, steady):
    """Gets are served whatever happens; a set may be lost with its resource, and is answered then, too."""
    requesters = [peers.peer() for _ in range(REQUESTERS)]
    sent = collections.defaultdict(list)
    others = []
    for round in range(12):
        for requester in requesters:
            sent[requester] += [requester.iq("proxy.test", type=type) for type in ("get", "set", "get")]
        if len(others) == 3:
            others.pop(0).leave()
        elif round % 3 == 2:
            others.pop(0).disconnect()
        client = TargetClient(prosody, "service@localhost", f"r{round}")
        if round % 2:
            client.answer_all()
        others.append(client)
    for client in others:
        client.leave()
    outcomes = one_answer_each(sent)
    lost = outcomes.pop(("error", "wait/remote-server-timeout"), 0)
    assert lost <= REQUESTERS * 12
    assert outcomes == {("result", None): REQUESTERS * 12 * 3 - lost}


def test_reload_under_load(prosody, peers, steady):
    requesters = [peers.peer() for _ in range(REQUESTERS)]
    sent = collections.defaultdict(list)
    for round in range(60):
        for requester in requesters:
            sent[requester].append(requester.iq("proxy.test", type="set"))
        if round % 10 == 5:
            prosody.reload("client_proxy", "proxy.test")
    assert one_answer_each(sent) == {("result", None): REQUESTERS * 60}
    assert len(steady.requests.waiting()) == REQUESTERS * 60


def test_a_stanza_too_deep_to_be_written_is_answered(prosody, peers, steady):
    """Prosody parses what it then cannot write; a requester gets an error for it, and only that."""
    peer = peers.peer()
    deep = 74_000
    id = peer.iq("proxy.test", "<a xmlns='urn:example:deep'>" + "<a>" * deep + "</a>" * deep + "</a>")
    answer = peer.receive()
    assert (answer.id, answer.error) == (id, "cancel/internal-server-error")
    after = peer.iq("proxy.test")
    assert peer.receive().id == after
