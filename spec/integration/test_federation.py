"""Users, rooms and targets on another server: two Prosodys that find each other, dialback between them."""

import itertools

import pytest

from conftest import assert_no_tracebacks
from harness import behaviours, bot as bots
from harness.behaviours import held, reply, respond
from harness.bot import Bot
from harness.client import User
from harness.config import component, virtual_host
from harness.federation import federation
from harness.target import TargetClient
from harness.waiting import wait_until
from limits import needs_bounces, needs_flush_at_exit

ROMEO, ALICE, SERVICE = "romeo@localhost", "alice@far.test", "service@far.test"
MUC = "http://jabber.org/protocol/muc"
ROOM = "hall@rooms.far.test"
TIMEOUT = "wait/remote-server-timeout"


class Servers:
    """The server with the components, `near`, and the one with the users, `far`."""

    def __init__(self, near, far):
        self.near, self.far = near, far
        self._streams = []

    def romeo(self):
        return self._opened(User(self.near.c2s_port, ROMEO, "secret"))

    def alice(self):
        return self._opened(User(self.far.c2s_port, ALICE, "secret"))

    def target(self):
        """A client of the proxy's target."""
        return self._opened(TargetClient(self.far, SERVICE, "one"))

    def _opened(self, stream):
        self._streams.append(stream)
        return stream

    def close_streams(self):
        while self._streams:
            self._streams.pop().close()


@pytest.fixture(scope="module")
def federated(backend):
    """The near one starts first: the server of the proxy's target is not there yet then."""
    near = [
        bots.component(backend, component_post_stanzas=["message", "presence", "iq"]),
        component("proxy.test", "client_proxy", target_address=SERVICE),
    ]
    far = [
        virtual_host("far.test"),
        component("rooms.far.test", "muc", muc_room_locking=False, restrict_room_creation=False),
    ]
    with federation((near, {ROMEO: "secret"}), (far, {ALICE: "secret", SERVICE: "secret"})) as prosodys:
        yield Servers(*prosodys)
        for prosody in prosodys:
            assert_no_tracebacks(prosody)


@pytest.fixture
def servers(federated):
    yield federated
    federated.close_streams()


@pytest.fixture
def bot(backend):
    bot = Bot(backend)
    yield bot
    bot.release()


# Conversations

def test_a_remote_user_gets_replies_and_errors_in_order(servers, bot):
    def answer(exchange):
        number = int(exchange.request.json["body"])
        (respond(404) if number % 3 == 0 else reply(body=str(number)))(exchange)
    bot.behave(answer)
    alice = servers.alice()
    sent = [f"said-{number}" for number in range(30)]
    for number, id in enumerate(sent):
        alice.message(bot.jid, f"<body>{number}</body>", type="chat", id=id)
    outcomes = [alice.receive() for _ in sent]
    assert [outcome.body if outcome.error is None else outcome.id for outcome in outcomes] == [
        id if number % 3 == 0 else str(number) for number, id in enumerate(sent)]
    assert {outcome.error for outcome in outcomes} == {None, "cancel/item-not-found"}
    assert {outcome.sender for outcome in outcomes} == {bot.jid}
    assert [request.json["from"] for request in bot.requests] == [alice.jid] * 30


def test_a_remote_iq_gets_its_answer(servers, bot):
    bot.behave(reply(kind="iq", stanza="<iq type='result'><answer xmlns='urn:example:answer'/></iq>"))
    alice = servers.alice()
    alice.iq(bot.jid, "<question xmlns='urn:example:question'/>", "q1")
    answer = alice.receive()
    assert (answer.id, answer.type, answer.sender) == ("q1", "result", bot.jid)
    assert answer.child("{urn:example:answer}answer") is not None


def test_a_reply_that_was_under_way_while_the_remote_server_restarted(servers, bot):
    bot.behave(held(behaviours.echo))
    servers.alice().message(bot.jid, "<body>before</body>", type="chat", id="before")
    bot.wait_for_requests(1)
    assert servers.far.stop() == 0
    servers.far.start()
    alice = servers.alice()
    bot.release()
    assert alice.receive().body == "before"
    alice.message(bot.jid, "<body>after</body>", type="chat", id="after")
    assert alice.receive().body == "after"


def test_a_bounce_from_the_remote_server_is_not_answered(servers, bot):
    """Nobody has that address there; what the bot says to it comes back as an error, and that is the end of it."""
    bot.behave(behaviours.by_body({"go": reply(to="nobody@far.test", body="hello", id="to-nobody")}))
    alice = servers.alice()
    alice.message(bot.jid, "<body>go</body>", type="chat", id="go")
    bounce = bot.wait_for_requests(2)[1].json
    assert (bounce["from"], bounce["type"], bounce["id"]) == ("nobody@far.test", "error", "to-nobody")
    alice.message(bot.jid, "<body>still there</body>", type="chat", id="still")
    assert alice.receive().body == "still there"
    assert len(bot.requests) == 3


@needs_flush_at_exit
def test_errors_reach_the_remote_user_at_prosody_s_end(servers, bot):
    bot.behave(behaviours.hang)
    alice = servers.alice()
    sent = [f"said-{number}" for number in range(20)]
    for id in sent:
        alice.message(bot.jid, "<body>hello</body>", type="chat", id=id)
    alice.iq(bot.jid, "<question xmlns='urn:example:question'/>", "asked")
    # An iq waits for nothing: when it is there, so is all that was sent before it.
    bot.wait_for_requests(2)
    assert servers.near.stop() == 0
    bounced = {stanza.id: stanza.error for stanza in (alice.receive() for _ in range(21))}
    assert bounced == dict.fromkeys([*sent, "asked"], TIMEOUT)
    servers.near.start()


# Rooms

def test_a_bot_in_a_remote_room(servers, bot):
    """It answers what others say, never its own reflection, and a failure of its service does not throw it out."""
    def answer(exchange):
        asked = exchange.request.json
        said = asked.get("body")
        if said == "join":
            reply(stanza=f"<presence to='{ROOM}/bot'><x xmlns='{MUC}'/></presence>")(exchange)
        elif said == "fail":
            respond(500)(exchange)
        elif said is None:
            respond(204)(exchange)
        else:
            reply(body=f"you said {said}")(exchange)
    bot.behave(answer)
    alice = servers.alice()

    def say(text):
        alice.message(ROOM, f"<body>{text}</body>", type="groupchat", id=text)

    def next_said():
        while (said := alice.receive_kind("message")).body is None:
            pass
        return said.sender, said.body

    alice.send(f"<presence to='{ROOM}/alice'><x xmlns='{MUC}'/></presence>")
    alice.message(bot.jid, "<body>join</body>", type="chat", id="join")
    while alice.receive_kind("presence").sender != f"{ROOM}/bot":
        pass
    for text in ["one", "fail", "two"]:
        say(text)
    expected = [(f"{ROOM}/alice", text) for text in ["one", "fail", "two"]] + [
        (f"{ROOM}/bot", f"you said {text}") for text in ["one", "two"]]
    received = [next_said() for _ in expected]
    assert sorted(received) == sorted(expected)
    assert [body for sender, body in received if sender.endswith("/bot")] == ["you said one", "you said two"]
    say("three")
    assert [next_said(), next_said()] == [(f"{ROOM}/alice", "three"), (f"{ROOM}/bot", "you said three")]
    bodies = [request.json.get("body") for request in bot.requests]
    assert [body for body in bodies if body] == ["join", "one", "fail", "two", "three"]


# A proxy

def asked(requester, id):
    """What a request to the proxy is answered with."""
    requester.iq("implementation@proxy.test", "<question xmlns='urn:example:question'/>", id)
    answer = requester.receive_kind("iq")
    assert (answer.id, answer.sender) == (id, "implementation@proxy.test")
    return answer


def until_served(requester):
    numbers = itertools.count(1)
    wait_until(lambda: asked(requester, f"until-{next(numbers)}").error is None, "a request served")


@pytest.mark.parametrize("requester", [Servers.romeo, Servers.alice])
def test_a_target_on_another_server(servers, requester):
    """For a requester of the proxy's own server, and for one who is on another server as well."""
    target, requester = servers.target(), requester(servers)
    target.answer_all("<answer xmlns='urn:example:answer'/>")
    until_served(requester)
    answer = asked(requester, "asked")
    assert (answer.type, answer.to) == ("result", requester.jid)
    assert answer.child("{urn:example:answer}answer") is not None
    target.hold()
    requester.iq("implementation@proxy.test", "<question xmlns='urn:example:question'/>", "refused", type="set")
    request = target.request()
    assert (request.sender.split("/")[0], request.id, request.type) == ("proxy.test", "refused", "set")
    target.answer(request, "<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
                  type="error")
    refused = requester.receive_kind("iq")
    assert (refused.id, refused.error) == ("refused", "auth/forbidden")


@needs_bounces
def test_a_target_comes_back_after_its_server_restarted(servers):
    servers.target().answer_all()
    romeo = servers.romeo()
    until_served(romeo)
    assert servers.far.stop() == 0
    assert asked(romeo, "gone").error is not None
    servers.far.start()
    servers.target().answer_all()
    until_served(romeo)
