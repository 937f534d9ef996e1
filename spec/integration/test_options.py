"""Every option: what it does, and what an unusable value of it leads to."""

import re
import socket
import tempfile

import pytest

from harness import behaviours, bot as bots
from harness.backend import Backend
from harness.behaviours import held, respond
from harness.config import Lua, component, virtual_host

URL = {"component_post_url": "http://127.0.0.1:9/"}
LONG = "x" * 9000
CUT_OFF = tempfile.NamedTemporaryFile(prefix="no-certificate-", suffix=".pem")  # noqa: SIM115 (stays until the tests end)
CUT_OFF.write(b"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n")
CUT_OFF.flush()
LARGE = tempfile.NamedTemporaryFile(prefix="large-", suffix=".gif")  # noqa: SIM115 (stays until the tests end)
LARGE.write(b"GIF89a".ljust(65537, b"\0"))
LARGE.flush()

# One of each way from the configuration to the log: the option that is at fault, what is said of it, and the
# section's options. What else is unusable, and what is said of it, is in src/component_http/settings/tests.rs.
UNUSABLE = {
    "no url": ("component_post_url", "is missing: set it to the http or https URL of the service", {}),
    "no url at all": ("component_post_url", 'must be an http or https URL, such as "https://example.com/bot"',
                      {"component_post_url": "how do I do this?"}),
    "password too long to send": ("component_post_url", "has a user and password of more than 8192 bytes",
                                  {"component_post_url": f"http://me:{LONG}@127.0.0.1:9/"}),
    "url that is a table": ("component_post_url", "must be a string, not a table",
                            {"component_post_url": {"url": "http://example.com/"}}),
    "no url in a list": ("component_post_url", "has a list, whose URL number 2 must be an http or https URL",
                         {"component_post_url": ["http://127.0.0.1:9/", "ftp://127.0.0.1/"]}),
    "url twice in a list": ("component_post_url", "has a list, whose URL number 2 is in the list before",
                            {"component_post_url": ["http://127.0.0.1:9/", "http://127.0.0.1:9/"]}),
    "routes that are a list": ("component_post_routes", "must be a table from localparts to URLs",
                               {**URL, "component_post_routes": ["http://127.0.0.1:9/"]}),
    "route for no localpart": ("component_post_routes", 'has "a@b", which is not a localpart',
                               {**URL, "component_post_routes": {"a@b": "http://127.0.0.1:9/"}}),
    "route to no url": ("component_post_routes", 'has a route for "weather", whose URL number 2 must be an http',
                        {"component_post_routes": {"weather": ["http://127.0.0.1:9/", "127.0.0.1"]}}),
    "unknown kind": ("component_post_stanzas", 'must hold one or more of "message", "presence" and "iq"',
                     {**URL, "component_post_stanzas": ["message", "letter"]}),
    "unknown kind by the old name": ("post_stanza_types", 'must hold one or more of "message", "presence" and "iq"',
                                     {**URL, "post_stanza_types": ["letter"]}),
    "time-out not a number": ("component_post_timeout", "must be a number of seconds from 0.01 to 86400",
                              {**URL, "component_post_timeout": Lua("0/0")}),
    "concurrency a fraction": ("component_post_concurrency", "must be a whole number from 1 to 10000",
                               {**URL, "component_post_concurrency": 1.5}),
    "validation in words": ("validate_from_addresses", "must be true or false, not a string",
                            {**URL, "validate_from_addresses": "maybe"}),
    "ca file that is not there": ("component_post_ca_file", "names a file that cannot be read, /nonexistent/ca.pem",
                                  {**URL, "component_post_ca_file": "/nonexistent/ca.pem"}),
    "headers that are a list": ("component_post_headers", "must be a table of names and strings, not a list",
                                {**URL, "component_post_headers": ["X-Api-Key: 1"]}),
    "reserved header": ("component_post_headers", "must not set Content-Type",
                        {**URL, "component_post_headers": {"X-Api-Key": "1", "Content-Type": "text/plain"}}),
    "no secret": ("component_post_secret",
                  "must begin with whsec_; this makes one: echo whsec_$(openssl rand -base64 32)",
                  {**URL, "component_post_secret": "hunter2"}),
    "no proxy": ("component_post_proxy", "must be the URL of a proxy without a path",
                 {**URL, "component_post_proxy": "127.0.0.1:3128"}),
    "certificate alone": ("component_post_client_certificate", "is of no use alone: set component_post_client_key too",
                          {**URL, "component_post_client_certificate": "/nonexistent/client.pem"}),
    "client certificate that is not there": ("component_post_client_certificate", "names a file that cannot be read",
                              {**URL, "component_post_client_certificate": "/nonexistent/client.pem",
                               "component_post_client_key": "/nonexistent/client.key"}),
    "typing in words": ("component_post_typing", "must be true or false, not a string",
                        {**URL, "component_post_typing": "maybe"}),
    "receipts in numbers": ("component_post_receipts", "must be true or false, not a number",
                            {**URL, "component_post_receipts": 1}),
    "avatar that is not there": ("component_avatar", "names a file that cannot be read, /nonexistent/bot.png",
                                 {**URL, "component_avatar": "/nonexistent/bot.png"}),
    "avatar that is none": ("component_avatar", f"names a file that is no PNG, JPEG, GIF or WebP, {CUT_OFF.name}",
                            {**URL, "component_avatar": CUT_OFF.name}),
    "avatar that is too large": ("component_avatar", f"names a file of more than 65536 bytes, {LARGE.name}",
                                 {**URL, "component_avatar": LARGE.name}),
    "description that is a table": ("component_description", "must be a string, not a table",
                                    {**URL, "component_description": ["a", "b"]}),
    "url of half": ("component_url", 'must be a whole URL, such as "https://example.com/bot"',
                    {**URL, "component_url": "example.com"}),
    "ca file that is cut off": ("component_post_ca_file", f"names a file that is not PEM, {CUT_OFF.name}",
                                {**URL, "component_post_ca_file": CUT_OFF.name}),
}


def host_name(case):
    return re.sub("[^a-z]", "-", case) + ".test"


def full_listener():
    """A port whose queue of connections is full, so that further ones get no answer."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    for _ in range(8):
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(listener.getsockname())
        waiting.append(connection)
    return listener, waiting


FULL_LISTENER, FULL_LISTENER_QUEUE = full_listener()


def hosts(backend):
    full_port = FULL_LISTENER.getsockname()[1]
    return [
        *(component(host_name(case), **options) for case, (_, _, options) in UNUSABLE.items()),
        virtual_host("users.test"),
        bots.component(backend),
        bots.component(backend, "former.test", post_stanza_types=["presence"]),
        bots.component(backend, "both-names.test", component_post_stanzas=["message"], post_stanza_types=["presence"]),
        bots.component(backend, "body-only.test", component_post_body_only=True,
                       component_post_stanzas=["message", "presence"]),
        bots.component(backend, "three.test", component_post_concurrency=3),
        bots.component(backend, "small.test", component_post_response_limit=1000),
        bots.component(backend, "one-string.test", component_post_stanzas="presence"),
        bots.component(backend, "ca.test", component_post_ca_file="/etc/ssl/certs/ca-certificates.crt"),
        component("full.test", component_post_url=f"http://127.0.0.1:{full_port}/", component_post_connect_timeout=1,
                  component_post_timeout=600),
        component("patient.test", component_post_url=f"http://127.0.0.1:{full_port}/", component_post_timeout=1,
                  component_post_connect_timeout=600),
    ]


# Unusable values

def complaints(prosody, host):
    return [line for line in prosody.log()
            if line.level == "error" and (host in line.source or host in line.text)]


@pytest.mark.parametrize("case", UNUSABLE)
def test_component_with_an_unusable_value_is_down_and_one_clear_line_says_why(prosody, peer, case):
    option, said, _ = UNUSABLE[case]
    host = host_name(case)
    lines = complaints(prosody, host)
    [own] = [line for line in lines if option in line.text]
    assert f"{host}: the option '{option}' {said}" in own.text
    assert LONG not in own.text and "\n" not in own.text
    assert len(lines) <= 2, "the module's own line, and Prosody's that it did not load"
    sent = peer.say(f"bot@{host}")
    refused = peer.receive()
    assert (refused.id, refused.error) == (sent, "cancel/service-unavailable")


def test_other_hosts_are_up(bot, peer):
    bot.behave(behaviours.echo)
    peer.say(bot.jid)
    assert peer.receive().body == "hello"


def test_usable_values_are_not_complained_about(prosody):
    for host in ("bot.test", "former.test", "three.test", "ca.test", "one-string.test"):
        assert not complaints(prosody, host)


# component_post_stanzas

def test_only_messages_by_default(bot, peer):
    peer.presence(bot.jid)
    peer.iq(bot.jid)
    assert peer.receive().error == "cancel/service-unavailable"
    peer.say(bot.jid)
    assert bot.request().json["kind"] == "message"


def test_a_single_kind_may_be_a_string(bot_at, peer):
    single = bot_at("one-string.test")
    peer.presence(single.jid)
    assert single.request().json["kind"] == "presence"


def test_old_name_works_with_a_warning(prosody, bot_at, peer):
    old = bot_at("former.test")
    peer.presence(old.jid)
    assert old.request().json["kind"] == "presence"
    warnings = [line for line in prosody.log()
                if line.source == "former.test:component_http" and line.level == "warn"]
    assert len(warnings) == 1
    assert "post_stanza_types" in warnings[0].text and "component_post_stanzas" in warnings[0].text


def test_new_name_wins(bot_at, peer):
    both = bot_at("both-names.test")
    peer.presence(both.jid)
    peer.say(both.jid)
    assert both.request().json["kind"] == "message"


# component_post_body_only

def test_body_only(bot_at, peer):
    body_only = bot_at("body-only.test")
    for child in ("<active xmlns='http://jabber.org/protocol/chatstates'/>",
                  "<received xmlns='urn:xmpp:receipts' id='x'/>", "<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>",
                  "<subject>s</subject>", "<body xmlns='urn:example:other'>foreign</body>"):
        peer.send("message", child, to=body_only.jid, type="chat")
    assert not body_only.everything_for(peer)
    assert not body_only.requests
    peer.presence(body_only.jid)
    assert body_only.request().json["kind"] == "presence"


def test_without_body_only_everything_is_forwarded(bot, peer):
    peer.send("message", "<active xmlns='http://jabber.org/protocol/chatstates'/>", to=bot.jid, type="chat")
    assert "active" in bot.request().json["stanza"]


# component_post_concurrency

def test_concurrency_is_a_bound(bot_at, peers):
    three = bot_at("three.test")
    three.behave(held(behaviours.echo))
    senders = [peers.peer() for _ in range(12)]
    for sender in senders:
        sender.say(three.jid)
    three.wait_for_requests(3)
    three.release()
    for sender in senders:
        assert sender.receive().body == "hello"
    assert three.endpoint.most_at_once() == 3


def test_concurrency_by_default_is_256(bot, peers):
    bot.behave(held(behaviours.echo))
    senders = [peers.peer() for _ in range(280)]
    for sender in senders:
        sender.say(bot.jid)
    bot.wait_for_requests(256)
    bot.release()
    for sender in senders:
        assert sender.receive().body == "hello"
    assert bot.endpoint.most_at_once() == 256


# component_post_response_limit

@pytest.mark.parametrize("length, usable", [(1000, True), (1001, False)])
def test_response_limit(bot_at, peer, length, usable):
    small = bot_at("small.test")
    small.behave(respond(body='{"body": "' + "x" * (length - 12) + '"}'))
    peer.say(small.jid)
    received = peer.receive()
    assert received.error == (None if usable else "cancel/internal-server-error")


def test_response_limit_by_default_is_a_mebibyte(bot, peer):
    bot.behave(respond(body='{"id": "small", "ignored": "' + "x" * (1048576 - 30) + '"}'))
    peer.say(bot.jid)
    assert peer.receive().id == "small"
    bot.behave(respond(body='{"id": "small", "ignored": "' + "x" * (1048576 - 29) + '"}'))
    peer.say(bot.jid)
    assert peer.receive().error == "cancel/internal-server-error"


# component_post_connect_timeout

def test_connect_timeout(prosody, peer):
    """The whole exchange would have ten minutes."""
    peer.say("bot@full.test")
    assert peer.receive().error == "wait/remote-server-timeout"


def test_timeout_includes_connecting(prosody, peer):
    peer.say("bot@patient.test")
    assert peer.receive().error == "wait/remote-server-timeout"


# The environment

def test_proxy_variables_are_not_obeyed(peer_of):
    with Backend() as proxy, Backend() as service:
        variables = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"), proxy.url)
        with peer_of([bots.component(service)], environment=variables) as peer:
            bot = bots.Bot(service)
            bot.behave(behaviours.echo)
            peer.say(bot.jid)
            assert peer.receive().body == "hello"
        assert proxy.connection_count == 0
