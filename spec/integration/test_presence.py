"""Presence, service discovery and ping that the component answers itself, and what it swallows."""

import pytest

from harness import behaviours, bot as bots
from harness.client import User
from harness.user import SlixmppUser

ACCOUNTS = {"alice@localhost": "secret", "bob@localhost": "secret"}
DISCO_INFO = "http://jabber.org/protocol/disco#info"
DISCO_ITEMS = "http://jabber.org/protocol/disco#items"
PING = "urn:xmpp:ping"
# One for each of Prosody's events. Who is answered what is in src/component_http/local.rs.
ADDRESSES = ["bot.test", "x@bot.test", "x@bot.test/y"]


def hosts(backend):
    return [
        bots.component(backend),
        bots.component(backend, "named.test", name="The weather"),
        bots.component(backend, "presences.test", component_post_stanzas=["presence"]),
        bots.component(backend, "iqs.test", component_post_stanzas=["iq"]),
    ]


def bare(jid):
    return jid.split("/")[0]


def until_pong(peer, host="bot.test"):
    """All that came before the answer to a ping sent now: Prosody handles one stanza after the other."""
    sent = peer.iq(host, f"<ping xmlns='{PING}'/>")
    received = []
    while (stanza := peer.receive()).id != sent or stanza.kind != "iq":
        received.append(stanza)
    assert stanza.type == "result"
    return received


def available_from(stanza, to):
    return (stanza.kind, stanza.type) == ("presence", None) and stanza.sender in (bare(to), bare(to) + "/default")


# Presence

@pytest.mark.parametrize("to", ADDRESSES)
def test_subscribe_is_answered_with_subscribed_and_presence(bot, peer, to):
    peer.presence(to, "subscribe", from_=peer.bare)
    subscribed, available = until_pong(peer)
    assert (subscribed.type, subscribed.sender, subscribed.to) == ("subscribed", bare(to), peer.bare)
    assert available_from(available, to)
    assert not bot.requests


def test_probe_is_answered_with_available_presence(bot, peer):
    peer.presence("bot.test/y", "probe")
    (available,) = until_pong(peer)
    assert available_from(available, "bot.test/y")
    assert not bot.requests


def test_unsubscribe_is_answered_with_unavailable_presence(bot, peer):
    peer.presence(bot.jid, "unsubscribe", from_=peer.bare)
    (unavailable,) = until_pong(peer)
    assert (unavailable.kind, unavailable.type) == ("presence", "unavailable")
    assert unavailable.sender in (bot.jid, bot.jid + "/default")
    assert not bot.requests


def test_any_other_presence_is_swallowed(bot, peer):
    for type in (None, "unavailable", "subscribed", "unsubscribed", "error", "odd"):
        peer.presence(bot.jid, type)
    assert not until_pong(peer)
    assert not bot.requests


def test_user_sees_the_bot_in_the_roster(prosody):
    with SlixmppUser(prosody.c2s_port, "alice@localhost", "secret") as alice:
        alice.call("send_presence")
        alice.call("send_presence", pto="bot@bot.test", ptype="subscribe")
        available = alice.wait_for("presence_available", lambda stanza: stanza["from"].bare == "bot@bot.test")
        assert available["from"].resource in ("", "default")
        roster = alice.wait_for_roster("bot@bot.test", "to")
        assert roster["subscription"] == "to"


def test_user_who_comes_back_sees_the_bot_online(prosody):
    """On login Prosody probes the contact on the user's behalf."""
    first = User(prosody.c2s_port, "bob@localhost", "secret")
    first.send("<presence/>")
    first.send("<presence to='bot@bot.test' type='subscribe'/>")
    while first.receive().sender not in ("bot@bot.test", "bot@bot.test/default"):
        pass
    first.close()
    again = User(prosody.c2s_port, "bob@localhost", "secret")
    again.send("<presence/>")
    while not available_from(again.receive(), "bot@bot.test"):
        pass
    again.close()


def test_named_presence_is_forwarded_and_not_answered(bot_at, peer):
    presences = bot_at("presences.test")
    types = [None, "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe"]
    for type in types:
        peer.presence(presences.jid, type)
    forwarded = [request.json for request in presences.wait_for_requests(len(types))]
    assert {request["kind"] for request in forwarded} == {"presence"}
    assert [request.get("type") for request in forwarded] == types
    presences.endpoint.wait_until_idle()
    assert not until_pong(peer, "presences.test")


def test_message_that_is_not_named_does_not_reach_the_service(bot_at, peer):
    presences = bot_at("presences.test")
    peer.say(presences.jid)
    peer.presence(presences.jid)
    presences.wait_for_requests(1)
    assert [request.json["kind"] for request in presences.requests] == ["presence"]


# iq

@pytest.mark.parametrize("to", ADDRESSES)
def test_disco_info(bot, peer, to):
    sent = peer.iq(to, f"<query xmlns='{DISCO_INFO}'/>")
    answer = peer.receive()
    assert (answer.type, answer.id, answer.sender) == ("result", sent, to)
    query = answer.child(f"{{{DISCO_INFO}}}query")
    identities = [(found.get("category"), found.get("type")) for found in query.iter(f"{{{DISCO_INFO}}}identity")]
    assert ("client", "bot") in identities
    features = {found.get("var") for found in query.iter(f"{{{DISCO_INFO}}}feature")}
    assert {DISCO_INFO, PING} <= features
    assert not bot.requests


@pytest.mark.parametrize("node", [None, "http://jabber.org/protocol/commands"])
def test_disco_items_is_an_empty_list(bot, peer, node):
    attribute = f" node='{node}'" if node else ""
    sent = peer.iq(bot.jid, f"<query xmlns='{DISCO_ITEMS}'{attribute}/>")
    answer = peer.receive()
    assert (answer.type, answer.id, answer.sender) == ("result", sent, bot.jid)
    query = answer.child(f"{{{DISCO_ITEMS}}}query")
    assert (len(query), query.get("node")) == (0, node)
    assert not bot.requests


def test_disco_info_of_a_node(bot, peer):
    """There is none: neither the commands nor the capabilities of somebody else."""
    peer.iq(bot.jid, f"<query xmlns='{DISCO_INFO}' node='http://jabber.org/protocol/commands'/>")
    assert peer.receive().error == "cancel/item-not-found"


def test_name_of_the_identity(prosody, peer):
    peer.iq("named.test", f"<query xmlns='{DISCO_INFO}'/>")
    identity = peer.receive().element.find(f".//{{{DISCO_INFO}}}identity")
    assert identity.get("name") == "The weather"


@pytest.mark.parametrize("to", ADDRESSES)
def test_ping(bot, peer, to):
    sent = peer.iq(to, f"<ping xmlns='{PING}'/>")
    answer = peer.receive()
    assert (answer.type, answer.id, answer.sender, len(answer.element)) == ("result", sent, to, 0)
    assert not bot.requests


@pytest.mark.parametrize("to, type, content", [
    ("bot.test", "set", f"<ping xmlns='{PING}'/>"),
    ("x@bot.test", "get", "<vCard xmlns='vcard-temp'/>"),
    ("x@bot.test/y", "get", "<query xmlns='jabber:iq:version'/>")])
def test_any_other_iq_is_service_unavailable(bot, peer, to, type, content):
    sent = peer.iq(to, content, type=type)
    answer = peer.receive()
    assert (answer.kind, answer.id, answer.sender) == ("iq", sent, to)
    assert answer.error == "cancel/service-unavailable"
    assert not until_pong(peer)
    assert not bot.requests


def test_stray_results_and_errors_are_swallowed(bot, peer):
    for to in ADDRESSES:
        for type in ("result", "error"):
            peer.send("iq", "", to=to, type=type)
    assert not until_pong(peer)
    assert not bot.requests


@pytest.mark.parametrize("to, content", [
    ("iqs.test", f"<ping xmlns='{PING}'/>"), ("x@iqs.test", f"<query xmlns='{DISCO_INFO}'/>"),
    ("x@iqs.test/y", f"<query xmlns='{DISCO_ITEMS}'/>")])
def test_named_iq_is_forwarded_whatever_it_asks(bot_at, peer, to, content):
    iqs = bot_at("iqs.test")
    iqs.behave(behaviours.respond(403))
    sent = peer.iq(to, content)
    answer = peer.receive()
    assert (answer.id, answer.error) == (sent, "auth/forbidden")
    assert iqs.request().json["kind"] == "iq"


def test_presence_is_answered_where_only_iq_is_named(prosody, peer):
    peer.presence("x@iqs.test", "probe")
    assert available_from(peer.receive(), "x@iqs.test")
