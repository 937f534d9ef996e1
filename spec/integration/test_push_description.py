"""A client that knows the API from nothing but its description makes every call of it."""

import json
import os
import pathlib
import subprocess

import pytest

from harness import bot as bots, push, services
from harness.installation import brings
from harness.push import PATH, TOKEN
from harness.waiting import DEADLINE

pytestmark = pytest.mark.skipif(not brings("util/cache.lua"), reason="Prosody 0.9 takes no pushes")

OPTIONS = push.options()
DESCRIPTION = f"http://127.0.0.1:{OPTIONS['http_ports'][0]}{PATH}/openapi.json"
CLIENT = pathlib.Path(__file__).parent / "services" / "client.js"
PING = "<ping xmlns='urn:xmpp:ping'/>"


def hosts(backend):
    return [bots.component(backend, component_push_tokens=[TOKEN], http_host="127.0.0.1")]


def call(operation, data=None, media_type=None, **parameters):
    return {"operation": operation, "data": data, "type": media_type,
            "parameters": {name.replace("_", "-"): value for name, value in parameters.items()}}


def answers(*calls, token=TOKEN):
    """The operations that there are, and the answers."""
    given = {"description": DESCRIPTION, "token": token, "calls": calls}
    ended = subprocess.run(
        [services.node(), CLIENT], input=json.dumps(given), text=True, capture_output=True, encoding="utf-8",
        timeout=DEADLINE, env={**os.environ, "NODE_PATH": str(services.MODULES)})
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    return set(told["operations"]), told["answers"]


def test_every_call(prosody, peers):
    alice, room = peers.peer("alice@peers.test/a b"), peers.peer("room@peers.test")
    twice = call("push", [{"to": alice.jid, "body": "two"}, {"to": alice.jid, "body": "three"}], Idempotency_Key="k")
    calls = {
        "described": (call("describe"), 200),
        "one": (call("push", {"to": alice.jid, "body": "one"}), 202),
        "two": (twice, 202),
        "again": (twice, 202),
        "as XML": (call("push", f"<message to='{alice.jid}'><body>four</body></message>", "application/xmpp+xml"), 202),
        "iq": (call("push", {"stanza": f"<iq type='get' to='{alice.jid}'>{PING}</iq>"}, Prefer="wait=0"), 504),
        "wrong": (call("push", {"to": "@"}), 400),
        "text": (call("say", "five", "text/plain", jid=alice.jid), 202),
        "to a room": (call("say", "six", "text/plain", jid=room.jid, type="groupchat"), 202),
    }
    operations, told = answers(*(made for made, _ in calls.values()))
    assert operations == {made["operation"] for made, _ in calls.values()}
    told = dict(zip(calls, told, strict=True))
    assert {name: answer["status"] for name, answer in told.items()} == {
        name: status for name, (_, status) in calls.items()}
    assert told["again"] == told["two"] and len(told["two"]["json"]["ids"]) == 2
    assert told["described"]["json"]["openapi"].startswith("3.1")
    assert told["wrong"]["json"]["property"] == "to"
    received = [alice.receive() for _ in range(6)]
    assert [stanza.body for stanza in received] == ["one", "two", "three", "four", None, "five"]
    assert (room.receive().type, received[-1].type) == ("groupchat", "chat")


def test_a_call_without_a_token(prosody):
    _, [answer] = answers(call("push", {"to": "alice@peers.test"}), token="wrong")
    assert (answer["status"], answer["json"]["title"]) == (401, "Unauthorized")
