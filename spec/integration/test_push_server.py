"""Pushes and what Prosody's own HTTP server brings: its ports, TLS and paths, its limits, and requests in a row."""

import http.client
import ssl

import pytest

from harness import bot as bots, push
from harness.certificates import Certificates
from harness.installation import brings
from harness.prosody import free_port
from harness.push import JSON, PATH, TOKEN, Service

pytestmark = pytest.mark.skipif(not brings("util/cache.lua"), reason="Prosody 0.9 takes no pushes")

CERTIFICATES = Certificates()
CERTIFICATES.issue("good")
OPTIONS = {
    **push.options(),
    "https_ports": [free_port()],
    "https_interfaces": ["127.0.0.1"],
    "https_ssl": {"certificate": CERTIFICATES.file("good"), "key": str(CERTIFICATES.directory / "good.key")},
    "http_max_content_size": 30_000,
}
PORT = OPTIONS["http_ports"][0]
PING = "<ping xmlns='urn:xmpp:ping'/>"


def hosts(backend):
    return [
        bots.component(backend, component_push_tokens=[TOKEN]),
        bots.component(backend, "moved.test", component_push_tokens=[TOKEN], http_paths={"component_http": "/push"}),
        bots.component(backend, "open.test", component_push_tokens=[TOKEN], validate_from_addresses=False),
    ]


@pytest.fixture
def connect(prosody):
    """A function that makes a service with a connection of its own."""
    made = []

    def to(port=PORT, **arguments):
        made.append(Service(port, **arguments))
        return made[-1]
    yield to
    for service in made:
        service.close()


def test_over_tls(connect, peer):
    service = connect(OPTIONS["https_ports"][0], tls=ssl.create_default_context(cafile=str(CERTIFICATES.ca_file)))
    assert service.push({"to": peer.jid, "body": "hello"}).ids == [peer.receive().id]


@pytest.mark.not_as_described("Prosody itself answers")
def test_at_another_path(connect, peer):
    service = connect(host="moved.test", base="/push")
    assert service.push({"to": peer.jid, "body": "hello"}).ids == [peer.receive().id]
    assert service.request("hello", "text/plain", path=f"/to/{peer.jid}").ids == [peer.receive().id]
    assert connect(host="moved.test").push({"to": peer.jid}).status == 404


def test_a_foreign_sender_where_it_is_allowed(connect, peer):
    assert connect(host="open.test").push({"to": peer.jid, "from": "x@peers.test"}).status == 202
    assert peer.receive().sender == "x@peers.test"


@pytest.mark.skipif(not brings("util/openmetrics.lua"), reason="before 0.12 Prosody hangs up without a word")
def test_more_than_prosody_takes(connect):
    answer = connect().request(" " * 40_000 + '{"to": "a@peers.test"}')
    assert (answer.status, answer.json["title"]) == (413, "Content Too Large")


def test_a_body_in_chunks(prosody):
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    headers = {"Host": "bot.test", "Authorization": f"Bearer {TOKEN}", "Content-Type": JSON}
    connection.request("POST", PATH, iter([b'{"to": ', b'"a@peers.test"}']), headers, encode_chunked=True)
    assert connection.getresponse().status == 411
    connection.close()


def test_requests_in_a_row_are_sent_in_their_order(connect, peer):
    """All of them are on their way before the first is answered; every other one takes longer to be read."""
    def request(number):
        body = push.encoded({"to": peer.jid, "body": str(number), "subject": "x" * (500 * (number % 2))})
        return (f"POST {PATH} HTTP/1.1\r\nHost: bot.test\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: {JSON}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
    service = connect()
    service.connection.connect()
    service.connection.sock.sendall(b"".join(map(request, range(60))))
    assert [peer.receive().body for _ in range(60)] == [str(number) for number in range(60)]


def test_a_key_in_use(connect, peer):
    iq = {"stanza": f"<iq to='{peer.jid}' id='k1'>{PING}</iq>"}
    first, second = connect(), connect()
    first.begin(push.encoded(iq), Idempotency_Key="k")
    asked = peer.receive()
    assert (asked.kind, asked.type) == ("iq", "get")
    assert second.push(iq, Idempotency_Key="k").status == 409
    assert second.push(iq).status == 409
    peer.send("iq", "", to="bot.test", type="result", id="k1")
    answer, again = first.answer(), second.push(iq, Idempotency_Key="k")
    assert (again.status, again.body) == (answer.status, answer.body) and answer.status == 200


@pytest.mark.not_as_described("a media type that is refused")
def test_whoever_has_no_token_is_told_the_same(connect):
    """Whatever is wrong with it, and with the rest."""
    message = '{"to": "a@peers.test"}'
    requests = [
        {"Authorization": None}, {"Authorization": "Bearer"}, {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer " + "x" * len(TOKEN)}, {"Authorization": "Bearer x", "content_type": "text/plain"},
        {"Authorization": "Bearer x", "Idempotency_Key": ""},
    ]
    told = {(answer.status, answer.headers["www-authenticate"], answer.body) for answer in (
        connect().request(**{"body": message, **request}) for request in requests)}
    assert len(told) == 1
