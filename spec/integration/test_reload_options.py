"""Every option of component_http counts anew from a reload on: a row each, in a host of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from harness import behaviours
from harness.backend import Backend
from harness.behaviours import held, reply, respond
from harness.bot import Bot
from harness.certificates import Certificates
from harness.config import component
from harness.prosody import Prosody, free_port
from harness.proxy import Proxy
from harness.unanswering import Unanswering

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
TIMEOUT = "wait/remote-server-timeout"
ACTIVE = "<active xmlns='http://jabber.org/protocol/chatstates'/>"
DISCO_INFO = "http://jabber.org/protocol/disco#info"


def answer(bot, peer):
    """The text that answers a message, or the error."""
    peer.say(bot.jid)
    received = peer.receive()
    return received.error or received.body


def answered(bot, peer, _):
    return answer(bot, peer)


def echoed(bot, peer, _):
    bot.behave(behaviours.echo)
    return answer(bot, peer)


def query(bot, peer, _):
    echoed(bot, peer, _)
    return bot.request().query


def expired(bot, peer, _):
    bot.behave(behaviours.hang)
    return answer(bot, peer)


def at_once(bot, peer, expected):
    """How many of three exchanges with one sender, who has half of the places, are carried out at the same time."""
    bot.behave(held(behaviours.echo))
    for _ in range(3):
        peer.say(bot.jid)
    bot.wait_for_requests(expected)
    bot.release()
    assert [peer.receive().body for _ in range(3)] == ["hello"] * 3
    return bot.endpoint.most_at_once()


def refused(bot, peer, _):
    """How many of three more messages find no place when one is under way."""
    bot.behave(held(respond(204)))
    peer.say(bot.jid)
    bot.wait_for_requests(1)
    sent = [peer.say(bot.jid) for _ in range(3)]
    # What answers for itself does so after what was sent before.
    asked = peer.iq(bot.host, "<ping xmlns='urn:xmpp:ping'/>")
    errors = []
    while (received := peer.receive()).id != asked:
        assert received.error == "wait/resource-constraint"
        errors.append(received.id)
    assert errors == sent[3 - len(errors):]
    return len(errors)


def api_key(bot, peer, _):
    echoed(bot, peer, _)
    return bot.request().header("x-api-key")


def signatures(bot, peer, _):
    """How many secrets a request is signed with."""
    echoed(bot, peer, _)
    return len(bot.request().header("webhook-signature").split(" "))


def of_1500_octets(bot, peer, _):
    bot.behave(respond(body='{"body": "read"}'.ljust(1500)))
    return answer(bot, peer)


def chat_states(bot, peer, _):
    peer.send("message", ACTIVE, to=bot.jid, type="chat")
    bot.everything_for(peer)
    return len(bot.requests)


def first_of_slow(bot, peer, _):
    """What comes first of a message whose sender knows all signs of life: their names, or the text."""
    bot.behave(held(behaviours.echo))
    peer.send("message", f"<body>hello</body>{ACTIVE}", to=bot.jid, type="chat")
    first = peer.receive().element[0].tag.rpartition("}")[2]
    bot.release()
    return first


def receipts(bot, peer, _):
    peer.send("message", "<body>hello</body><request xmlns='urn:xmpp:receipts'/>", to=bot.jid, type="chat")
    return len(bot.everything_for(peer))


def on_card(bot, peer, expected):
    peer.iq(bot.jid, "<vCard xmlns='vcard-temp'/>")
    return expected if expected in peer.receive().element.itertext() else None


def foreign_sender(bot, peer, _):
    bot.behave(reply(body="read", **{"from": "somebody@elsewhere.test"}))
    return answer(bot, peer)


def discovered_name(bot, peer, _):
    peer.iq(bot.jid, f"<query xmlns='{DISCO_INFO}'/>")
    return peer.receive().element.find(f".//{{{DISCO_INFO}}}identity").get("name")


@dataclass(frozen=True)
class Row:
    """What an option is before and after the reload, what is looked at, and what is seen then.

    What would last ten minutes with the first value is not looked at before.
    """

    option: str
    before: object
    after: object
    look: Callable
    seen_before: object
    seen_after: object
    others: dict = field(default_factory=dict)

    @property
    def host(self):
        return f"{self.option.replace('_', '-')}.test"

    def section(self, value, places):
        """The component's section with that value; words in braces stand for what `places` has."""
        options = {"component_post_url": "{url}/{host}", **self.others, self.option: value}
        return component(self.host, **self._with(places, options))

    def _with(self, places, value):
        if isinstance(value, dict):
            return {name: self._with(places, item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._with(places, item) for item in value]
        return value.format(host=self.host, **places) if isinstance(value, str) else value


ROWS = [
    Row("component_post_url", "{url}/{host}?before", "{url}/{host}?after", query, "before", "after"),
    Row("component_post_routes", {"bot": "{url}/{host}?before"}, {"bot": ["{url}/{host}?after"]}, query,
        "before", "after"),
    Row("component_post_stanzas", ["presence"], ["message"], echoed, "cancel/service-unavailable", "hello"),
    Row("component_post_timeout", 600, 1, expired, None, TIMEOUT),
    Row("component_post_connect_timeout", 600, 1, answered, None, TIMEOUT,
        {"component_post_url": "{unanswering}", "component_post_timeout": 600}),
    Row("component_post_concurrency", 1, 4, at_once, 1, 2, {"component_post_ordered": False}),
    Row("component_post_queue_size", 0, 1, refused, 3, 2),
    Row("component_post_response_limit", 1000, 2000, of_1500_octets, "cancel/internal-server-error", "read"),
    Row("component_post_ordered", True, False, at_once, 1, 3),
    Row("component_post_body_only", False, True, chat_states, 1, 0),
    Row("component_post_ca_file", "/etc/ssl/certs/ca-certificates.crt", "{ca}", echoed, TIMEOUT, "hello",
        {"component_post_url": "{tls}/{host}"}),
    Row("component_post_secret", [SECRET], [SECRET, OTHER_SECRET], signatures, 1, 2),
    Row("component_post_headers", {"X-Api-Key": "before"}, {"X-Api-Key": "after"}, api_key, "before", "after"),
    Row("component_post_proxy", "{closed}", "{proxy}", echoed, TIMEOUT, "hello", {"component_post_retry_for": 0}),
    Row("validate_from_addresses", True, False, foreign_sender, "cancel/internal-server-error", "read"),
    Row("component_post_receipts", True, False, receipts, 1, 0),
    Row("component_post_typing", False, True, first_of_slow, None, "composing"),
    Row("component_description", "Before", "After", on_card, "Before", "After"),
    Row("component_url", "https://before.test/", "https://after.test/", on_card, "https://before.test/",
        "https://after.test/"),
    Row("name", "Before", "After", discovered_name, "Before", "After"),
]


@pytest.fixture(scope="module")
def over_tls():
    """A service over TLS, and the file with the authority that its certificate is from."""
    with Certificates() as certificates, Backend(tls=certificates.issue("good")) as service:
        yield service, certificates.ca_file


@pytest.fixture(scope="module")
def places(backend, over_tls):
    service, ca_file = over_tls
    with Unanswering() as unanswering, Proxy("http") as proxy:
        yield {"url": backend.url, "tls": service.url, "ca": ca_file, "unanswering": unanswering.url,
               "proxy": proxy.secret_url, "closed": f"http://127.0.0.1:{free_port()}"}


@pytest.fixture(scope="module")
def prosody(places):
    with Prosody([row.section(row.before, places) for row in ROWS]) as server:
        yield server


@pytest.mark.parametrize("row", ROWS, ids=[row.option for row in ROWS])
def test_an_option_counts_anew(prosody, backend, over_tls, places, peer, row):
    bot = Bot(over_tls[0] if row.option == "component_post_ca_file" else backend, row.host)
    if row.seen_before is not None:
        assert row.look(bot, peer, row.seen_before) == row.seen_before
    bot.start_afresh()
    prosody.reconfigure(row.section(row.before, places).section(), row.section(row.after, places).section())
    prosody.reload("component_http", row.host)
    assert row.look(bot, peer, row.seen_after) == row.seen_after
    bot.release()
