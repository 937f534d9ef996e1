"""Messages through the proxy: conversations, and what belongs to them."""

import contextlib

import pytest

from conftest import assert_no_tracebacks
from harness import stanza as stanzas
from harness.client import User
from harness.config import component, virtual_host
from harness.federation import federation
from harness.prosody import Prosody
from harness.stanza import canonical, parse
from harness.target import TargetClient
from harness.waiting import wait_until
from limits import needs_carbons

SERVICE = "service@localhost"
ACCOUNTS = {SERVICE: "secret", "romeo@localhost": "secret", "absent@localhost": "secret"}
BOT = "bot@proxy.test"
CHILDREN = {
    "receipt": "<received xmlns='urn:xmpp:receipts' id='m1'/>",
    "correction": "<body>better</body><replace xmlns='urn:xmpp:message-correct:0' id='m1'/>",
    "chat state": "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
    "marker": "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>",
    "reaction": "<reactions xmlns='urn:xmpp:reactions:0' id='m1'><reaction>\U0001f44b</reaction></reactions>",
    "text": "<subject xml:lang='de'>Frage</subject><body xml:lang='de'>Wie spät &lt; ist es?</body><thread>t</thread>",
}
KEEPS_COPIES_AWAY = ("{urn:xmpp:carbons:2}private", "{urn:xmpp:hints}no-copy")


def hosts(backend):
    both = ["iq", "message"]
    return [component("proxy.test", "client_proxy", target_address=SERVICE, proxy_stanzas=both),
            component("absent.test", "client_proxy", target_address="absent@localhost", proxy_stanzas=both)]


@pytest.fixture
def resources(prosody):
    """A function that logs a client of the target in."""
    opened = []

    def log_in(name, presence=""):
        position = prosody.log_position()
        opened.append(TargetClient(prosody, SERVICE, name, presence))
        if len(opened) == 1:
            prosody.wait_for_log(f"{SERVICE} is available", since=position)
        return opened[-1]
    yield log_in
    for client in opened:
        if not client.closed.is_set():
            client.leave()


def content(message):
    """The children of a message, but for what keeps copies away."""
    return [canonical(child) for child in message.element if child.tag not in KEEPS_COPIES_AWAY]


def given(xml):
    return [canonical(child) for child in parse(f"<message xmlns='jabber:client'>{xml}</message>")]


@pytest.mark.parametrize("children", CHILDREN.values(), ids=CHILDREN)
def test_all_kinds_of_messages_go_both_ways_untouched(resources, peer, children):
    one = resources("one")
    id = peer.send("message", children, to=BOT, type="chat", lang="de")
    asked = one.receive()
    assert (asked.to, asked.id, asked.type, asked.lang) == (f"{SERVICE}/one", id, "chat", "de")
    assert asked.sender.startswith("proxy.test/")
    assert content(asked) == given(children)
    one.message(asked.sender, children, id="b1", type="chat", lang="fr")
    answer = peer.receive()
    assert (answer.sender, answer.to, answer.id, answer.type, answer.lang) == (BOT, peer.jid, "b1", "chat", "fr")
    assert content(answer) == given(children)


@pytest.mark.parametrize("addressed", ["proxy.test", BOT, f"{BOT}/x", "proxy.test/x"])
def test_the_answer_comes_from_the_address_that_was_written_to(resources, peer, addressed):
    one = resources("one")
    peer.say(addressed)
    one.message(one.receive().sender, stanzas.body("hi"), type="chat")
    assert peer.receive().sender == addressed


def test_a_conversation_stays_with_one_resource_and_moves_when_that_leaves(resources, peer):
    clients = {name: resources(name) for name in ("one", "two", "three")}

    def who_gets(text):
        peer.say(BOT, text)
        [(name, message)] = wait_until(
            lambda: [(name, message) for name, client in clients.items() for message in client.inbox.waiting()],
            lambda: f"nobody got {text}")
        assert message.body == text
        return name
    first = who_gets("0")
    assert {who_gets(str(n)) for n in range(1, 10)} == {first}
    clients.pop(first).leave()
    second = who_gets("moved")
    clients[first] = resources(first)
    assert {who_gets(str(n)) for n in range(10, 20)} == {second}


def test_of_one_conversation_nothing_overtakes_anything(resources, peer):
    one = resources("one")
    for n in range(200):
        peer.say(BOT, str(n))
    asked = [one.receive() for _ in range(200)]
    assert [message.body for message in asked] == [str(n) for n in range(200)]
    for message in asked:
        one.message(message.sender, stanzas.body(message.body), type="chat")
    assert [peer.receive().body for _ in range(200)] == [str(n) for n in range(200)]


def test_an_error_of_the_resource_comes_back_once(resources, peer):
    one = resources("one")
    id = peer.say(BOT)
    asked = one.receive()
    error = f"<error type='modify'><not-acceptable xmlns='{stanzas.STANZA_ERRORS}'/></error>"
    one.message(asked.sender, error, id=asked.id, type="error")
    answer = peer.receive()
    assert (answer.sender, answer.id, answer.error) == (BOT, id, "modify/not-acceptable")
    peer.say(BOT, "next")
    one.message(one.receive().sender, stanzas.body("last"), type="chat")
    assert peer.receive().body == "last"


def test_without_a_resource_only_who_says_something_is_told(peer):
    peer.send("message", CHILDREN["chat state"], to="bot@absent.test", type="chat")
    peer.say("bot@absent.test", type="error")
    id = peer.say("bot@absent.test")
    answer = peer.receive()
    assert (answer.id, answer.sender, answer.error) == (id, "bot@absent.test", "cancel/service-unavailable")


def test_rooms_are_not_carried(resources, peer):
    resources("one")
    peer.say(BOT, type="groupchat")
    assert peer.receive().error == "cancel/feature-not-implemented"


@pytest.mark.parametrize("nobody", ["proxy.test", BOT, "proxy.test/made-up"])
def test_the_target_is_told_what_is_nobodys_address(resources, nobody):
    one = resources("one")
    one.message(nobody, stanzas.body("?"), id="e", type="error")
    one.message(nobody, stanzas.body("?"), id="1", type="chat")
    answer = one.receive()
    assert (answer.id, answer.sender, answer.error) == ("1", nobody, "cancel/item-not-found")


@needs_carbons
def test_no_other_client_of_the_target_gets_a_copy(prosody, resources, peer):
    prosody.load("carbons", "localhost")
    one, two = resources("one"), resources("two", "<show>dnd</show>")
    for client in (one, two):
        client.iq(None, "<enable xmlns='urn:xmpp:carbons:2'/>", "carbons", "set")
        assert client.receive().type == "result"
    peer.say(BOT, "through the proxy")
    peer.say(one.jid, "to the client itself")
    assert [one.receive().body for _ in range(2)] == ["through the proxy", "to the client itself"]
    copy = two.receive()
    assert copy.child("{urn:xmpp:carbons:2}received") is not None
    assert "to the client itself" in repr(copy)
    two.synchronise()
    assert two.inbox.waiting() == []


def test_a_user_s_own_clients_see_one_bot(prosody, resources):
    one = resources("one")
    romeo = User(prosody.c2s_port, "romeo@localhost", "secret", "orchard")
    romeo.message(BOT, stanzas.body("hello"), type="chat", id="1")
    asked = one.receive()
    one.message(asked.sender, stanzas.body("hi"), type="chat")
    answer = romeo.receive()
    assert (answer.sender, answer.body) == (BOT, "hi")
    romeo.close()


def test_a_reload_between_question_and_answer(prosody, resources, peer):
    one = resources("one")
    peer.say(f"{BOT}/x")
    asked = one.receive()
    prosody.reload("client_proxy", "proxy.test")
    one.message(asked.sender, stanzas.body("hi"), type="chat")
    assert peer.receive().sender == f"{BOT}/x"


@contextlib.contextmanager
def both_sides(prosody):
    """A client of the target and a user, logged in; the proxy sees the target."""
    position = prosody.log_position()
    client = TargetClient(prosody, SERVICE, "one")
    romeo = User(prosody.c2s_port, "romeo@localhost", "secret", "orchard")
    prosody.wait_for_log(f"{SERVICE} is available", since=position)
    yield client, romeo
    client.close()
    romeo.close()


def test_a_restart_between_question_and_answer():
    """The address alone proves whom the answer is for; it comes from the host then."""
    hosts = [component("proxy.test", "client_proxy", target_address=SERVICE, proxy_stanzas=["message"])]
    with Prosody(hosts, accounts=ACCOUNTS) as prosody:
        with both_sides(prosody) as (client, romeo):
            romeo.message(BOT, stanzas.body("question"), type="chat")
            address = client.receive().sender
        assert prosody.stop() == 0
        prosody.start()
        with both_sides(prosody) as (client, romeo):
            client.message(address, stanzas.body("answer"), type="chat")
            answer = romeo.receive()
            assert (answer.sender, answer.body) == ("proxy.test", "answer")
        assert_no_tracebacks(prosody)


def test_a_target_on_another_server():
    far_service = "service@far.test"
    near = [component("proxy.test", "client_proxy", target_address=far_service, proxy_stanzas=["message"])]
    with federation((near, {"romeo@localhost": "secret"}), ([virtual_host("far.test")], {far_service: "secret"})) as (
            prosody, far):
        client = TargetClient(far, far_service, "one")
        prosody.wait_for_log(f"{far_service} is available")
        romeo = User(prosody.c2s_port, "romeo@localhost", "secret", "orchard")
        romeo.message(BOT, stanzas.body("hello"), type="chat")
        client.message(client.receive().sender, stanzas.body("hi"), type="chat")
        answer = romeo.receive()
        assert (answer.sender, answer.body) == (BOT, "hi")
        romeo.close()
        client.close()
