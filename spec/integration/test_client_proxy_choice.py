"""Which resource gets a request, and what becomes of it when that one goes."""

import collections

import pytest

from harness.config import component
from harness.target import TargetClient
from harness.waiting import wait_until

STRATEGIES = {"random": "random", "robin": "round-robin", "least": "least-outstanding", "sticky": "sticky"}
ACCOUNTS = {f"{name}@localhost": "secret" for name in ("random", "robin", "least", "sticky", "hasty", "leaving")}
TIMEOUT = "wait/remote-server-timeout"


def hosts(backend):
    return [*(component(f"{name}.test", "client_proxy", target_address=f"{name}@localhost", proxy_strategy=strategy)
              for name, strategy in STRATEGIES.items()),
            component("hasty.test", "client_proxy", target_address="hasty@localhost", proxy_iq_timeout=1,
                      proxy_strategy="round-robin"),
            component("leaving.test", "client_proxy", target_address="leaving@localhost",
                      proxy_strategy="round-robin")]


class Targets:
    """The resources of one account, by name; all of them answer at once until told otherwise."""

    def __init__(self, prosody, account):
        self._prosody, self._jid = prosody, f"{account}@localhost"
        self.clients = {}

    def start(self, *names, presence=""):
        position = self._prosody.log_position()
        for name in names:
            self.clients[name] = TargetClient(self._prosody, self._jid, name, presence)
            self.clients[name].answer_all()
            if len(self.clients) == 1:
                self._prosody.wait_for_log(f"{self._jid} is available", since=position)
        return self

    def __getitem__(self, name):
        return self.clients[name]

    def counts(self):
        """How many requests each got since the last call."""
        return {name: len(client.requests.waiting()) for name, client in self.clients.items()}

    def leave(self, *names):
        for name in names:
            self.clients.pop(name).leave()


@pytest.fixture
def targets(prosody, request):
    """The resources of the account named by the test's first parameter; they leave with the test."""
    targets = Targets(prosody, request.param)
    yield targets
    targets.leave(*targets.clients)


def account(name):
    return pytest.mark.parametrize("targets", [name], indirect=True)


def ask(peer, host, times):
    """Asks that often, one after the other, and returns the errors among the answers."""
    errors = []
    for _ in range(times):
        id = peer.iq(host)
        answer = peer.receive()
        assert answer.id == id
        errors += [answer.error] if answer.error else []
    return errors


@account("random")
def test_random_reaches_all(targets, peer):
    targets.start("1", "2", "3")
    assert ask(peer, "random.test", 300) == []
    counts = targets.counts()
    assert sum(counts.values()) == 300
    assert min(counts.values()) > 50, counts


@account("robin")
def test_round_robin_takes_turns(targets, peer):
    targets.start("1", "2", "3")
    for _ in range(5):
        assert ask(peer, "robin.test", 3) == []
        assert targets.counts() == {"1": 1, "2": 1, "3": 1}
    targets.leave("2")
    ask(peer, "robin.test", 1)
    targets.counts()
    assert ask(peer, "robin.test", 4) == []
    assert targets.counts() == {"1": 2, "3": 2}


@account("least")
def test_least_outstanding_spares_the_busy(targets, peer, peers):
    targets.start("1", "2", "3")
    targets["1"].hold()
    waiting, busy = peers.peer(), []
    while not busy:
        waiting.iq("least.test")
        wait_until(lambda: waiting.inbox.waiting() or busy.extend(targets["1"].requests.waiting()) or busy,
                   "a request with one of them")
    targets.counts()
    assert ask(peer, "least.test", 30) == []
    counts = targets.counts()
    assert counts["1"] == 0
    assert counts["2"] + counts["3"] == 30
    assert min(counts["2"], counts["3"]) > 0


@account("sticky")
def test_sticky_requesters_stay(targets, peers):
    targets.start("1", "2", "3")
    served = collections.Counter()
    for requester in [peers.peer() for _ in range(30)]:
        assert ask(requester, "sticky.test", 5) == []
        counts = targets.counts()
        assert sorted(counts.values()) == [0, 0, 5]
        served.update(name for name, count in counts.items() if count)
    assert len(served) == 3
    requester = peers.peer()
    ask(requester, "sticky.test", 1)
    left = next(name for name, count in targets.counts().items() if count)
    targets.leave(left)
    ask(requester, "sticky.test", 5)
    counts = targets.counts()
    assert sorted(counts.values()) == [0, 5]
    targets.start(left)
    ask(requester, "sticky.test", 5)
    assert targets.counts() == {**counts, left: 0}


@account("random")
@pytest.mark.parametrize("presence", ["<show>dnd</show>", "<priority>-1</priority>"], ids=["dnd", "negative"])
def test_the_reluctant_get_nothing_while_others_are_there(targets, peer, presence):
    targets.start("willing")
    targets.start("reluctant", presence=presence)
    ask(peer, "random.test", 20)
    assert targets.counts() == {"willing": 20, "reluctant": 0}
    targets["reluctant"].presence("<show>away</show><priority>0</priority>")
    ask(peer, "random.test", 40)
    assert min(targets.counts().values()) > 0
    targets["reluctant"].presence(presence)
    targets.leave("willing")
    assert ask(peer, "random.test", 5) == []
    assert targets.counts() == {"reluctant": 5}


@account("hasty")
def test_who_lets_three_requests_time_out_rests(prosody, targets, peer, peers):
    targets.start("1", "2")
    targets["1"].hold()
    impatient = [peers.peer() for _ in range(6)]
    for requester in impatient:
        requester.iq("hasty.test", type="set")
    errors = [requester.receive().error for requester in impatient]
    assert collections.Counter(errors) == {TIMEOUT: 3, None: 3}
    prosody.wait_for_log("hasty@localhost/1 has let several requests in a row time out", level="warn")
    targets.counts()
    assert ask(peer, "hasty.test", 10) == []
    assert targets.counts() == {"1": 0, "2": 10}
    targets.leave("2")
    targets["1"].answer_all()
    assert ask(peer, "hasty.test", 1) == []
    assert targets.counts() == {"1": 1}


@account("leaving")
@pytest.mark.parametrize("way", ["unavailable", "error", "logout", "broken connection"])
def test_a_resource_goes(targets, peer, way):
    """Its gets are sent to another one, its sets are answered by an error, all at once."""
    targets.start("1", "2")
    leaving, staying = targets["1"], targets["2"]
    leaving.hold()
    gets = [peer.iq(f"get{number}@leaving.test", f"<number xmlns='urn:example:number'>{number}</number>", "get")
            for number in range(20)]
    sets = [peer.iq(f"set{number}@leaving.test", type="set") for number in range(20)]
    at_once = [peer.receive() for _ in range(20)]
    assert {answer.error for answer in at_once} == {None}
    kept = [leaving.request() for _ in range(20)]
    content = {request.sender: [canonical_number(r) for r in kept if r.type == "get"] for request in kept}
    staying.requests.waiting()
    if way in ("unavailable", "error"):
        leaving.presence("<error type='cancel'/>", to="leaving.test", type=way)
    elif way == "logout":
        targets.leave("1")
    else:
        leaving.disconnect()
    answers = at_once + [peer.receive() for _ in range(20)]
    again = staying.requests.waiting()
    assert [canonical_number(request) for request in again] == content[again[0].sender]
    assert {request.to for request in again} == {"leaving@localhost/2"}
    outcomes = {answer.id: answer.error for answer in answers}
    assert sorted(outcomes) == sorted(gets + sets)
    assert {outcomes[id] for id in gets} == {None}
    assert collections.Counter(outcomes[id] for id in sets) == {None: 10, TIMEOUT: 10}
    for answer in answers:
        number = gets.index(answer.id) if answer.id in gets else sets.index(answer.id)
        assert answer.sender == f"{'get' if answer.id in gets else 'set'}{number}@leaving.test"
    if way in ("unavailable", "error"):
        for request in kept:
            leaving.answer(request)
        leaving.synchronise()
        assert peer.inbox.waiting() == []


def canonical_number(request):
    return request.text("{urn:example:number}number")


@account("leaving")
def test_the_last_resource_goes(targets, peer):
    targets.start("1")
    targets["1"].hold()
    for type in ("get", "set"):
        peer.iq("leaving.test", type=type)
        targets["1"].request()
    targets["1"].presence(type="unavailable")
    assert [peer.receive().error for _ in range(2)] == ["cancel/service-unavailable", TIMEOUT]
