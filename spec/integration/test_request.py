"""What the service gets: one POST per stanza, the JSON object in it, and what is not forwarded."""

import base64
import json
import re

import pytest

from harness import behaviours, bot as bots, stanza as stanzas
from harness.config import component

FORWARD_ALL = ["message", "presence", "iq"]
LONG = "0123456789abcdef" * 500


def hosts(backend):
    host = backend.url.removeprefix("http://")
    return [
        bots.component(backend, component_post_stanzas=FORWARD_ALL),
        bots.component(backend, "query.test", query="?token=a%20b&x=%C3%A9&flag"),
        component("long.test", component_post_url=f"http://me:{LONG}@{host}/long.test?{LONG}"),
        component("credentials.test", component_post_url=f"http://us%40er:p%3Aa%C3%A9@{host}/credentials.test"),
    ]


# Which stanzas

@pytest.mark.parametrize("to", ["bot.test", "x@bot.test", "x@bot.test/y", "bot.test/y", "x@bot.test/a b/c@d"])
def test_takes_traffic_for_every_jid_at_its_host(bot, peer, to):
    bot.behave(behaviours.echo)
    peer.say(to)
    assert peer.receive().sender == to
    assert bot.request().json["to"] == to


def test_one_post_per_stanza(bot, peer):
    for number in range(20):
        peer.say(bot.jid, str(number))
    requests = bot.wait_for_requests(20)
    assert not bot.everything_for(peer)
    assert [request.json["body"] for request in bot.requests] == [str(number) for number in range(20)]
    assert {request.method for request in requests} == {"POST"}


# The HTTP side

def test_content_type_is_json_in_utf_8(bot, peer):
    peer.say(bot.jid, "Grüße, 世界 🎉")
    request = bot.request()
    assert request.header("content-type") == "application/json"
    assert json.loads(request.body.decode("utf-8"))["body"] == "Grüße, 世界 🎉"


def test_user_agent_names_module_and_version(bot, peer):
    peer.say(bot.jid)
    assert re.search(r"component_http/\d+\.\d+", bot.request().header("user-agent"))


def test_host_header_names_the_service(bot, peer, backend):
    peer.say(bot.jid)
    assert bot.request().header("host") == f"127.0.0.1:{backend.port}"


def test_content_length_is_exact(bot, peer):
    peer.say(bot.jid, "é" * 1000)
    request = bot.request()
    assert int(request.header("content-length")) == len(request.body)
    assert request.json["body"] == "é" * 1000


def test_no_compressed_response_is_asked_for(bot, peer):
    peer.say(bot.jid)
    assert not re.search("gzip|br|deflate|zstd", bot.request().header("accept-encoding") or "")


def test_query_string_is_kept(bot_at, peer):
    queried = bot_at("query.test")
    peer.say(queried.jid)
    assert queried.request().target == "/query.test?token=a%20b&x=%C3%A9&flag"


def test_credentials_go_as_http_basic(bot_at, peer):
    protected = bot_at("credentials.test")
    peer.say(protected.jid)
    request = protected.request()
    scheme, encoded = request.header("authorization").split(" ")
    assert scheme == "Basic"
    assert base64.b64decode(encoded).decode() == "us@er:p:aé"
    assert request.target == "/credentials.test"
    assert "@" not in request.header("host")


def test_long_url_and_password(bot_at, peer):
    far = bot_at("long.test")
    peer.say(far.jid)
    request = far.request()
    assert request.query == LONG
    assert base64.b64decode(request.header("authorization").split(" ")[1]).decode() == f"me:{LONG}"


def test_no_credentials_no_authorization(bot, peer):
    peer.say(bot.jid)
    assert bot.request().header("authorization") is None


def test_each_exchange_has_its_own_idempotency_key(bot, peer):
    peer.say(bot.jid, "same", id="same")
    peer.say(bot.jid, "same", id="same")
    keys = [request.header("idempotency-key") for request in bot.wait_for_requests(2)]
    assert all(keys) and keys[0] != keys[1]


# The object

@pytest.mark.parametrize("kind", FORWARD_ALL)
def test_addresses_and_kind_are_always_there(bot, peer, kind):
    peer.send(kind, "<x xmlns='urn:example:x'/>", to=bot.jid, type="set" if kind == "iq" else None)
    received = bot.request().json
    assert received["to"] == bot.jid
    assert received["from"] == peer.jid
    assert received["kind"] == kind


def test_only_the_contract_s_properties(bot, peer):
    peer.send("message", "<body>b</body><subject>s</subject><thread>t</thread><x xmlns='urn:example:x'/>",
              to=bot.jid, type="chat", id="i", lang="de")
    received = bot.request().json
    assert stanzas.canonical(stanzas.parse(received.pop("stanza")))
    assert received == {
        "to": bot.jid, "from": peer.jid, "kind": "message", "type": "chat", "id": "i", "lang": "de",
        "body": "b", "subject": "s", "thread": "t"}


@pytest.mark.parametrize("content, text", [
    ("<body>plain</body>", "plain"),
    ("<body>&lt;b&gt; &amp; &quot;q&quot; \\ \t end</body>", '<b> & "q" \\ \t end'),
    ("<body>first</body><body xml:lang='de'>zweiter</body>", "first"),
    ("<x xmlns='urn:example:x'><body>inner</body></x><body>outer</body>", "outer"),
    ("<body xmlns='urn:example:other'>foreign</body><body>own</body>", "own"),
    ("<body xmlns='jabber:component:accept'>explicit</body>", "explicit"),
    ("<body><![CDATA[<cdata> & more]]></body>", "<cdata> & more"),
    ("<body>two\nlines</body>", "two\nlines"),
    ("<body>  spaces  </body>", "  spaces  "),
    ("<body/>", ""),
])
def test_body_is_the_text_of_the_first_body(bot, peer, content, text):
    peer.send("message", content, to=bot.jid)
    assert bot.request().json["body"] == text


@pytest.mark.parametrize("kind, content", [
    ("message", "<active xmlns='http://jabber.org/protocol/chatstates'/>"),
    ("message", "<body xmlns='urn:example:other'>foreign</body>"),
    ("presence", "<body>of a presence</body>"),
    ("iq", "<body>of an iq</body>"),
])
def test_no_body_where_there_is_none(bot, peer, kind, content):
    peer.send(kind, content, to=bot.jid, type="get" if kind == "iq" else None)
    assert "body" not in bot.request().json


def test_type_as_it_stands(bot, peer):
    types = [("message", type) for type in ("chat", "groupchat", "headline", "normal", "error")]
    types += [("presence", "unavailable"), ("presence", "subscribe")]
    for kind, type in types:
        peer.send(kind, "<x xmlns='urn:example:x'/>", to=bot.jid, type=type)
    requests = [request.json for request in bot.wait_for_requests(len(types))]
    assert [(request["kind"], request["type"]) for request in requests] == types


@pytest.mark.parametrize("kind", ["message", "presence"])
def test_no_type_and_no_id_when_not_set(bot, peer, kind):
    peer.send(kind, to=bot.jid, id=None)
    received = bot.request().json
    assert "type" not in received
    assert "id" not in received


def test_id_as_it_stands(bot, peer):
    ids = ["plain", "with space", "ü", "\"quoted\" & <odd>", "x" * 3000]
    for id in ids:
        peer.say(bot.jid, id=id)
    assert [request.json["id"] for request in bot.wait_for_requests(len(ids))] == ids


def test_lang_as_it_stands(bot, peer):
    peer.say(bot.jid, lang="pt-BR")
    assert bot.request().json["lang"] == "pt-BR"


@pytest.mark.parametrize("kind, child", [
    ("message", "subject"), ("message", "thread"), ("presence", "show"), ("presence", "status")])
def test_text_of_further_children(bot, peer, kind, child):
    peer.send(kind, f"<{child}>away &amp; gone</{child}>", to=bot.jid)
    assert bot.request().json[child] == "away & gone"


def test_no_property_without_that_child(bot, peer):
    peer.say(bot.jid)
    assert not {"subject", "thread", "show", "status", "priority"} & set(bot.request().json)


def test_priority_is_a_number(bot, peer):
    peer.presence(bot.jid, content="<priority>-128</priority>")
    value = bot.request().json["priority"]
    assert value == -128 and isinstance(value, int)


def test_priority_that_is_no_number_never_becomes_a_text(bot, peer):
    peer.presence(bot.jid, content="<priority>high</priority>")
    assert not isinstance(bot.request().json.get("priority"), str)
