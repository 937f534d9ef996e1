"""What README and docs show of component_http is what happens: each JSON, each line of configuration."""

import json
import re

import pytest

from harness import bot as bots, config, stanza as stanzas
from harness.behaviours import respond
from harness.client import Component
from harness.installation import document
from harness.prosody import COMPONENT_SECRET
from harness.streams import EVENTS, LINES
from limits import needs_metrics

OPTIONS = {"statistics": "internal", "statistics_interval": "manual"}
BOT_HOST = "bot.example.com"
DOCUMENTS = ("README.markdown", "docs/component_http.markdown")
MANUAL = document(DOCUMENTS[1])


def shown_json(path):
    return re.findall(r"^``` \{\.json\}\n(.*?)^```$", document(path), re.M | re.S)


REQUESTS = [(path, shown_json(path)[0]) for path in DOCUMENTS]
REPLIES = [reply for path in DOCUMENTS for reply in shown_json(path)[1:]]


def hosts(backend):
    return [
        bots.component(backend, BOT_HOST, component_post_stanzas=["message", "iq"]),
        bots.component(backend, "wrong.example.com", component_post_concurrency=0),
        config.external_component("example.com", COMPONENT_SECRET),
        config.external_component("rooms.example.com", COMPONENT_SECRET),
    ]


@pytest.fixture
def bot(bot_at):
    return bot_at(BOT_HOST)


@pytest.fixture
def users(prosody):
    component = Component(prosody.component_port, "example.com", COMPONENT_SECRET)
    yield component
    component.close()


@pytest.fixture
def rooms(prosody):
    component = Component(prosody.component_port, "rooms.example.com", COMPONENT_SECRET)
    yield component
    component.close()


def as_meant(request):
    """The request with its XML in a form that can be compared."""
    return {**request, "stanza": stanzas.canonical(stanzas.parse(request["stanza"]))}


@pytest.mark.parametrize("path, request_shown", REQUESTS, ids=DOCUMENTS)
def test_the_request(bot, users, path, request_shown):
    shown = json.loads(request_shown)
    users.send(shown["stanza"])
    assert as_meant(bot.request().json) == as_meant(shown)


@pytest.mark.parametrize("answer", REPLIES, ids=range(1, len(REPLIES) + 1))
def test_every_reply_is_sent(bot, users, rooms, answer):
    addressees = {
        "alice@example.com/phone": users.peer("alice@example.com/phone"),
        "bob@example.com": users.peer("bob@example.com"),
        "tea@rooms.example.com/Weather": rooms.peer("tea@rooms.example.com/Weather"),
    }
    alice = addressees["alice@example.com/phone"]
    bot.behave(respond(200, answer))
    if "<iq" in answer:
        alice.iq(f"weather@{BOT_HOST}", "<time xmlns='urn:xmpp:time'/>")
    else:
        alice.say(f"weather@{BOT_HOST}", "Tokyo, tomorrow")

    replies = json.loads(answer)
    for reply in replies if isinstance(replies, list) else [replies]:
        whole = stanzas.parse(reply["stanza"]) if "stanza" in reply else None
        to = whole.get("to") if whole is not None else reply.get("to")
        received = addressees[to or alice.jid].receive()
        assert received.sender == f"weather@{BOT_HOST}"
        if whole is None:
            assert (received.type, received.body) == (reply.get("type", "chat"), reply["body"])
        else:
            assert received.type == whole.get("type")
            assert stanzas.canonical(received.element)[3] == stanzas.canonical(whole)[3]


@pytest.mark.parametrize("kind, media_type, expected", [
    ("jsonl", LINES, None),
    ("sse", EVENTS, ["Tomorrow in Tokyo: sunny, 24 °C"]),
])
def test_every_answer_that_comes_bit_by_bit(bot, users, kind, media_type, expected):
    [shown] = re.findall(rf"^``` \{{\.{kind}\}}\n(.*?)^```$", MANUAL, re.M | re.S)
    bot.behave(respond(200, shown, media_type))
    alice = users.peer("alice@example.com/phone")
    alice.say(f"weather@{BOT_HOST}", "Tokyo, tomorrow")
    for body in expected or [json.loads(line)["body"] for line in shown.splitlines()]:
        assert alice.receive().body == body
    assert bot.everything_for(alice) == []


@needs_metrics
def test_the_counters(bot, users, prosody):
    """Each line that is shown is there, its value aside."""
    bot.behave(respond(404))
    alice = users.peer()
    alice.say(f"weather@{BOT_HOST}", "Tokyo, tomorrow")
    alice.receive()
    [shown] = re.findall(r"^    (prosody_mod_component_http\S+\{.*\}) \d+$", MANUAL, re.M)
    assert f"{shown} 1\n" in prosody.metrics()


def test_the_line_about_an_unusable_value(prosody):
    [shown] = re.findall(rf"^    {BOT_HOST}: (the option '.*)$", MANUAL, re.M)
    prosody.wait_for_log(f"^wrong.example.com: {re.escape(shown)}$", source="wrong.example.com:component_http")
