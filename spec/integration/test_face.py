"""What clients show of the component: its picture, its card, and what it can."""

import base64
import hashlib
import tempfile

import pytest

from harness import bot as bots
from harness.user import SlixmppUser

ACCOUNTS = {"alice@localhost": "secret"}
PLUGINS = ("xep_0030", "xep_0054", "xep_0060", "xep_0115", "xep_0153")
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
FILE = tempfile.NamedTemporaryFile(prefix="avatar-", suffix=".png")  # noqa: SIM115 (stays until the tests end)
FILE.write(PICTURE)
FILE.flush()
VCARD4 = "{urn:ietf:params:xml:ns:vcard-4.0}"
FACE = {"name": "The weather", "component_avatar": FILE.name, "component_description": "Tells it",
        "component_url": "https://example.com/weather"}


def hosts(backend):
    return [
        bots.component(backend),
        bots.component(backend, "face.test", **FACE),
        bots.component(backend, "iqs.test", component_post_stanzas=["iq"], **FACE),
    ]


@pytest.fixture(scope="module")
def alice(prosody):
    with SlixmppUser(prosody.c2s_port, "alice@localhost", "secret", PLUGINS, ("entity_caps",)) as user:
        user.call("send_presence")
        yield user


def presence_of(user, jid):
    user.call("send_presence", pto=jid, ptype="subscribe")
    return user.wait_for("presence_available", lambda stanza: stanza["from"].bare == jid)


def test_the_card_and_the_hash_of_its_picture(alice):
    presence = presence_of(alice, "bot@face.test")
    assert presence["vcard_temp_update"]["photo"] == hashlib.sha1(PICTURE).hexdigest()
    card = alice.run(lambda client: client["xep_0054"].get_vcard("bot@face.test"))["vcard_temp"]
    assert (card["FN"], card["PHOTO"]["TYPE"], card["PHOTO"]["BINVAL"]) == ("The weather", "image/png", PICTURE)
    assert card.xml.findtext("{vcard-temp}DESC") == "Tells it"
    assert card.xml.findtext("{vcard-temp}URL") == "https://example.com/weather"


def test_the_card_of_the_newer_form(alice):
    def get(client):
        return client["xep_0060"].get_items("face.test", "urn:xmpp:vcard4")
    card = alice.run(get).xml.find(f".//{VCARD4}vcard")
    assert card.findtext(f"{VCARD4}fn/{VCARD4}text") == "The weather"
    assert card.findtext(f"{VCARD4}photo/{VCARD4}uri").startswith("data:image/png;base64,")


def test_what_is_discovered_is_what_presence_tells(alice):
    presence_of(alice, "other@face.test")
    caps = alice.wait_for("entity_caps", lambda stanza: stanza["from"].bare == "other@face.test")["caps"]

    def discover(client):
        return client["xep_0030"].get_info("other@face.test", node=f"{caps['node']}#{caps['ver']}")
    info = alice.run(discover)["disco_info"]
    assert {"vcard-temp", "urn:xmpp:receipts", "http://jabber.org/protocol/caps"} <= set(info["features"])
    version = alice.run(lambda client: client["xep_0115"].generate_verstring(info, caps["hash"]))
    assert version == caps["ver"]


def test_without_a_face_there_is_no_card(bot, peer):
    peer.iq(bot.jid, "<vCard xmlns='vcard-temp'/>")
    assert peer.receive().error == "cancel/service-unavailable"
    peer.presence(bot.jid, "probe")
    assert [child.tag for child in peer.receive().element] == ["{http://jabber.org/protocol/caps}c"]


def test_cards_are_the_services_business_if_iqs_are(bot_at, peer):
    iqs = bot_at("iqs.test")
    peer.iq(iqs.jid, "<vCard xmlns='vcard-temp'/>")
    assert iqs.request().json["kind"] == "iq"
    peer.receive()
    peer.presence(iqs.jid, "probe")
    assert len(peer.receive().element) == 0
