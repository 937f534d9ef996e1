"""Pushes: the service speaks first, through Prosody's own HTTP server."""

import re

import pytest

from harness import bot as bots, push
from harness.installation import brings, document
from harness.push import TOKEN, Service
from limits import needs_bounces

pytestmark = pytest.mark.skipif(not brings("util/cache.lua"), reason="Prosody 0.9 takes no pushes")

OPTIONS = push.options()
PORT = OPTIONS["http_ports"][0]
BOUND = "a-token-that-is-bound-to-an-address"
SHOWN = re.findall(r"^``` \{\.json\}\n(.*?)^```$", document("docs/push.markdown"), re.M | re.S)
PING = "<ping xmlns='urn:xmpp:ping'/>"


def hosts(backend):
    return [
        bots.component(backend, component_push_tokens=[TOKEN], component_push_limit=20_000,
                       component_push_iq_timeout=10),
        bots.component(backend, "bound.test", component_push_tokens={BOUND: "news@bound.test"}),
        bots.component(backend, "slow.test", component_push_tokens=[TOKEN], component_push_rate=2,
                       component_push_waiting=0),
        bots.component(backend, "silent.test"),
    ]


@pytest.fixture
def service(prosody):
    service = Service(PORT)
    yield service
    service.close()


# What is sent

def test_a_message(service, peer):
    answer = service.push({"to": peer.jid, "body": "hello", "from": "x@bot.test/y"})
    received = peer.receive()
    assert (received.kind, received.type, received.body) == ("message", "chat", "hello")
    assert (received.sender, [received.id]) == ("x@bot.test/y", answer.ids)


def test_several_in_their_order(service, peer):
    answer = service.push(*({"to": peer.jid, "body": str(number)} for number in range(300)))
    received = [peer.receive() for _ in range(300)]
    assert [message.body for message in received] == [str(number) for number in range(300)]
    assert [message.id for message in received] == answer.ids


def test_a_stanza_as_xml(service, peer):
    xml = f"<presence to='{peer.jid}' id='p1'><status>Grüße</status></presence>"
    assert service.request(xml, "application/xmpp+xml").ids == ["p1"]
    received = peer.receive()
    assert (received.kind, received.sender, received.id) == ("presence", "bot.test", "p1")


@pytest.mark.parametrize("written", ["to/{}", "to/%C3%A9{}"])
def test_a_text(service, peers, written):
    peer = peers.peer(("é" if "%" in written else "") + "somebody@peers.test/a//b")
    path = "/" + written.format("somebody@peers.test/a//b")
    service.request("Grüße", "text/plain; charset=utf-8", path=path)
    received = peer.receive()
    assert (received.body, received.type, received.to) == ("Grüße", "chat", peer.jid)


def test_a_text_to_a_room_that_reflects_it_is_not_posted(service, bot, peers):
    room = peers.peer("room@peers.test")
    ids = service.request("hello", "text/plain", path="/to/room@peers.test?type=groupchat").ids
    assert room.receive().type == "groupchat"
    room.say(bot.jid, "hello", type="groupchat", from_="room@peers.test/bot", id=ids[0])
    assert not bot.everything_for(peers.peer())
    assert not bot.requests


@needs_bounces
def test_an_error_comes_back_to_the_service(service, bot):
    ids = service.push({"to": "nobody@localhost", "body": "hello", "from": bot.jid}).ids
    request = bot.request().json
    assert (request["type"], request["id"]) == ("error", ids[0])
    assert request["error"]["condition"] == "service-unavailable"


@pytest.mark.parametrize("shown", SHOWN)
def test_what_the_document_shows(service, shown):
    assert len(service.request(shown).ids) == 2


# Iqs

def test_an_iq_is_answered(service, peer):
    service.begin(
        f'{{"stanza": "<iq type=\'get\' to=\'{peer.jid}\' id=\'q1\'>{PING}</iq>"}}')
    asked = peer.receive()
    assert (asked.id, asked.sender) == ("q1", "bot.test")
    peer.send("iq", "<pong xmlns='urn:x'/>", to="bot.test", type="result", id="q1")
    answer = service.answer()
    assert (answer.status, answer.json["type"], answer.json["from"]) == (200, "result", peer.jid)
    assert "urn:x" in answer.json["stanza"]


def test_an_iq_is_answered_by_an_error(service, peer):
    service.begin(f'{{"stanza": "<iq type=\'set\' to=\'{peer.jid}\' from=\'x@bot.test/y\'>{PING}</iq>"}}')
    asked = peer.receive()
    error = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    peer.send("iq", error, to="x@bot.test/y", type="error", id=asked.id)
    answer = service.answer()
    assert (answer.status, answer.json["type"]) == (200, "error")
    assert answer.json["error"] == {"type": "cancel", "condition": "item-not-found"}


@needs_bounces
def test_an_iq_to_prosody_itself(service):
    answer = service.push({"stanza": f"<iq type='get' to='localhost'>{PING}</iq>"})
    assert (answer.status, answer.json["type"], answer.json["from"]) == (200, "result", "localhost")


def test_an_iq_without_an_answer(service, peer):
    answer = service.push({"stanza": f"<iq type='get' to='{peer.jid}'>{PING}</iq>"}, Prefer="wait=0")
    assert answer.status == 504
    assert peer.receive().kind == "iq"


# Once

def test_a_key_sends_once(service, peer):
    message = {"to": peer.jid, "body": "once"}
    first = service.push(message, Idempotency_Key="k1")
    again = service.push(message, Idempotency_Key="k1")
    assert (again.status, again.body) == (202, first.body)
    assert service.push({"to": peer.jid, "body": "other"}, Idempotency_Key="k1").status == 422
    service.push({"to": peer.jid, "body": "last"})
    assert [peer.receive().body for _ in range(2)] == ["once", "last"]


def test_a_key_and_an_iq_survive_a_reload(service, prosody, peer):
    message = {"to": peer.jid, "body": "once"}
    first = service.push(message, Idempotency_Key="k2")
    service.begin(f'{{"stanza": "<iq type=\'get\' to=\'{peer.jid}\' id=\'q2\'>{PING}</iq>"}}')
    assert [peer.receive().kind for _ in range(2)] == ["message", "iq"]
    prosody.reload("component_http", "bot.test")
    peer.send("iq", "", to="bot.test", type="result", id="q2")
    assert service.answer().status == 200
    assert service.push(message, Idempotency_Key="k2").body == first.body


# What is wrong

@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1]])
def test_a_wrong_token(service, prosody, token):
    service.token = token
    position = prosody.log_position()
    answer = service.push({"to": "a@peers.test"})
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert not any(TOKEN in line.text for line in prosody.log(position))


not_as_described = pytest.mark.not_as_described("a push that is refused")


@pytest.mark.parametrize("request_, status, header", [
    ({"path": "/nothing"}, 404, None),
    ({"method": "GET"}, 405, ("allow", "POST")),
    ({"method": "DELETE", "path": "/to/a@peers.test"}, 405, ("allow", "POST")),
    ({"path": "/openapi.json"}, 405, ("allow", "GET, HEAD")),
    pytest.param({"content_type": "application/x-www-form-urlencoded"}, 415, None, marks=not_as_described),
    pytest.param({"body": "x" * 20_001}, 413, None, marks=not_as_described),
    pytest.param({"body": "{"}, 400, None, marks=not_as_described),
    ({"body": '{"to": "a@peers.test", "from": "x@elsewhere"}'}, 403, None),
    ({"body": '{"to": "x@bot.test"}'}, 400, None),
    ({"body": '{"to": "a@peers.test"}', "Idempotency_Key": "k" * 256}, 400, None),
], ids=lambda given: str(given)[:80])
def test_a_problem(service, request_, status, header):
    answer = service.request(**request_)
    assert answer.status == status, answer.body
    assert (answer.json["status"], answer.json["type"]) == (status, "about:blank")
    assert len(answer.json["detail"]) > 10
    assert header is None or answer.headers[header[0]] == header[1]


def test_nothing_is_sent_in_part(service, peer):
    answer = service.push({"to": peer.jid, "body": "no"}, {"to": "@"})
    assert (answer.status, answer.json["item"], answer.json["property"]) == (400, 2, "to")
    service.push({"to": peer.jid, "body": "yes"})
    assert peer.receive().body == "yes"


def test_a_token_may_be_bound_to_an_address(prosody, peer):
    service = Service(PORT, "bound.test", BOUND)
    service.push({"to": peer.jid, "body": "news"})
    assert peer.receive().sender == "news@bound.test"
    assert service.push({"to": peer.jid, "from": "bound.test"}).status == 403
    service.close()


def test_how_much_is_bounded(prosody, peer):
    service = Service(PORT, "slow.test")
    iq = service.push({"stanza": f"<iq type='get' to='{peer.jid}'>{PING}</iq>"})
    assert (iq.status, iq.headers["retry-after"]) == (503, "1")
    assert service.push({"to": peer.jid}, {"to": peer.jid}).status == 202
    fast = service.push({"to": peer.jid})
    assert (fast.status, fast.headers["retry-after"]) == (429, "1")
    service.close()


@pytest.mark.not_as_described("Prosody itself answers")
def test_without_tokens_there_is_nothing(prosody):
    service = Service(PORT, "silent.test")
    answer = service.push({"to": "a@peers.test"})
    assert answer.status == 404 and b"about:blank" not in answer.body
    service.close()


def test_the_description_asks_for_no_token(service):
    answer = service.request(method="GET", path="/openapi.json", Authorization=None)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["openapi"].startswith("3.1")
    head = service.request(method="HEAD", path="/openapi.json", Authorization=None)
    assert (head.status, head.body) == (200, b"")


def test_no_web_page_may_push(service):
    answer = service.push({"to": "a@peers.test"}, Origin="https://example.com")
    assert answer.status == 202
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_an_unload_answers_what_waits(service, prosody, peer):
    service.begin(f'{{"stanza": "<iq type=\'get\' to=\'{peer.jid}\'>{PING}</iq>"}}')
    peer.receive()
    prosody.unload("component_http", "bot.test")
    answer = service.answer()
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    prosody.load("component_http", "bot.test")
    assert service.push({"to": peer.jid}).status == 202
