"""Loaded on a VirtualHost: what is addressed to the host itself is taken, the accounts' traffic is left alone."""

import pytest

from harness import behaviours
from harness.client import User
from harness.config import virtual_host

ACCOUNTS = {"alice@localhost": "secret", "bob@localhost": "secret"}
DISCO_INFO = "http://jabber.org/protocol/disco#info"
PING = "<ping xmlns='urn:xmpp:ping'/>"


def hosts(backend):
    return [
        virtual_host("bot.test", modules_enabled=["component_http"], component_post_url=f"{backend.url}/bot.test"),
        virtual_host("localhost", modules_enabled=["component_http"], component_post_url=f"{backend.url}/localhost",
                     component_post_stanzas=["message", "presence", "iq"]),
    ]


@pytest.fixture
def alice(prosody):
    user = User(prosody.c2s_port, "alice@localhost", "secret")
    yield user
    user.close()


@pytest.fixture
def bob(prosody):
    user = User(prosody.c2s_port, "bob@localhost", "secret")
    yield user
    user.close()


@pytest.mark.parametrize("to", ["bot.test", "bot.test/r"])
def test_message_to_the_host_is_forwarded(bot, peer, to):
    bot.behave(behaviours.echo)
    peer.say(to)
    received = peer.receive()
    assert (received.body, received.sender) == ("hello", to)
    assert bot.request().json["to"] == to


@pytest.mark.parametrize("to", ["nobody@bot.test", "nobody@bot.test/r"])
def test_message_to_an_account_is_not(bot, peer, to):
    peer.say(to)
    assert peer.receive().error == "cancel/service-unavailable"
    assert not bot.requests


def test_traffic_between_accounts_is_left_alone(bot_at, alice, bob):
    service = bot_at("localhost")
    alice.message(bob.jid, "<body>private</body>", id="m")
    assert bob.receive().body == "private"
    bob.iq(alice.jid, PING, "p")
    asked = alice.receive()
    alice.send(f"<iq type='result' to='{asked.sender}' id='p'/>")
    assert bob.receive().id == "p"
    assert not service.requests


def test_presence_and_subscriptions_of_accounts_are_left_alone(bot_at, alice, bob):
    service = bot_at("localhost")
    bob.send("<presence/>")
    assert bob.receive().sender == bob.jid
    alice.send("<presence to='bob@localhost' type='subscribe'/>")
    received = bob.receive()
    assert (received.kind, received.type, received.sender) == ("presence", "subscribe", "alice@localhost")
    assert not service.requests


def test_the_account_s_own_iqs_are_left_alone(bot_at, alice):
    service = bot_at("localhost")
    alice.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    answer = alice.receive()
    assert answer.child("{jabber:iq:roster}query") is not None
    assert not service.requests


def test_account_gets_a_reply_from_the_host(bot_at, alice):
    service = bot_at("localhost")
    service.behave(behaviours.echo)
    alice.message("localhost", "<body>hello</body>", type="chat", id="m")
    received = alice.receive()
    assert (received.sender, received.to, received.body) == ("localhost", alice.jid, "hello")
    assert service.request().json["from"] == alice.jid


def test_the_server_still_answers_for_itself(bot, peer):
    """Where "iq" is not named, ping and service discovery are those of the VirtualHost's own modules."""
    ping = peer.iq("bot.test", PING)
    assert (peer.receive().id, peer.inbox.waiting()) == (ping, [])
    peer.iq("bot.test", f"<query xmlns='{DISCO_INFO}'/>")
    identities = peer.receive().element.iter(f"{{{DISCO_INFO}}}identity")
    assert ("server", "im") in [(identity.get("category"), identity.get("type")) for identity in identities]
    assert not bot.requests


def test_of_named_kinds_only_what_no_module_of_the_host_answers_is_forwarded(bot_at, peer):
    service = bot_at("localhost")
    for type in ["subscribe", "probe", "unsubscribe", None, "unavailable"]:
        peer.presence("localhost", type)
    answered = [peer.iq("localhost", PING), peer.iq("localhost", f"<query xmlns='{DISCO_INFO}'/>")]
    forwarded = peer.iq("localhost")
    results = {}
    while forwarded not in results:
        stanza = peer.receive()
        if stanza.kind == "iq":
            results[stanza.id] = stanza.type
    assert results == dict.fromkeys([*answered, forwarded], "result")
    assert [request.json["id"] for request in service.requests] == [forwarded]
