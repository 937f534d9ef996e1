"""The example bot that asks a language model, with a model that the test plays itself."""

import subprocess
import sys

import pytest

from harness import behaviours
from harness.backend import Backend
from harness.client import User
from harness.config import component
from harness.installation import REPOSITORY
from harness.prosody import Prosody
from harness.streams import EVENTS, Streams
from harness.user import SlixmppUser
from harness.waiting import DEADLINE
from harness.web_service import WebService

# The model speaks the protocol of its own.
pytestmark = pytest.mark.not_as_described("requests to a model")

ALICE, BOT_JID, KEY = "alice@localhost", "ai@bot.test", "sk-secret"
HINT = "{urn:xmpp:hints}no-store"


class Model:
    """The endpoint, and the answers that have begun."""

    def __init__(self, backend):
        self.endpoint = backend.endpoint("/v1/chat/completions")
        self.answers = Streams(EVENTS)
        self.endpoint.start_afresh(self.answers)

    def says(self, answer, *words):
        answer.send(*({"choices": [{"index": 0, "delta": {"content": word}}]} for word in words))

    def ends(self, answer):
        answer.send({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, {"choices": []}, "[DONE]")
        answer.end()


@pytest.fixture(scope="module")
def served():
    with Backend() as backend:
        environment = {"OPENAI_BASE_URL": f"{backend.url}/v1/", "OPENAI_API_KEY": KEY, "OPENAI_MODEL": "test-1"}
        with (WebService(sys.executable, "ai.py", "{port}", environment=environment) as bot,
              Prosody([component("bot.test", component_post_url=bot.url, component_post_retry_for=0)],
                      accounts={ALICE: "secret"}) as prosody):
            yield prosody, Model(backend)


def test_the_answer_grows_in_a_client(served):
    prosody, model = served
    with SlixmppUser(prosody.c2s_port, ALICE, "secret", ("xep_0308",), ("message_correction",)) as alice:
        def say(text):
            alice.call("send_message", mto=BOT_JID, mbody=text, mtype="chat")
            return model.answers.next()

        answer = say("Tell me a story")
        model.says(answer, "", "Once")
        first = alice.wait_for("message")
        assert first["body"] == "Once"
        model.says(answer, " upon", " a time")
        assert alice.wait_for("message_correction")["body"] == "Once upon a time"
        model.ends(answer)
        last = alice.wait_for("message_correction", lambda message: message.xml.find(HINT) is None)
        assert (last["body"], last["replace"]["id"], last["from"]) == ("Once upon a time", first["id"], BOT_JID)

        answer = say("And then?")
        model.says(answer, "The end.")
        model.ends(answer)
        alice.wait_for("message", lambda message: message["body"] == "The end.")
    asked = model.endpoint.requests[-1]
    assert asked.header("authorization") == f"Bearer {KEY}"
    assert asked.json == {"model": "test-1", "stream": True, "messages": [
        {"role": "user", "content": "Tell me a story"}, {"role": "assistant", "content": "Once upon a time"},
        {"role": "user", "content": "And then?"}]}


def test_a_model_that_breaks_off_leaves_a_text_that_says_so(served):
    prosody, model = served
    alice = User(prosody.c2s_port, ALICE, "secret")
    alice.message(BOT_JID, "<body>hi</body>", type="chat")
    answer = model.answers.next()
    model.says(answer, "Hel")
    assert alice.receive().body == "Hel"
    answer.reset()
    assert alice.receive().body == "Hel …"
    alice.close()


@pytest.mark.parametrize("status, error", [
    (503, "wait/remote-server-timeout"), (429, "wait/remote-server-timeout"), (401, "cancel/internal-server-error")])
def test_a_model_that_does_not_answer_is_an_error(served, status, error):
    prosody, model = served
    model.endpoint.behave(behaviours.respond(status))
    alice = User(prosody.c2s_port, ALICE, "secret")
    alice.message(BOT_JID, "<body>hi</body>", type="chat")
    assert alice.receive().error == error
    model.endpoint.behave(model.answers)
    alice.close()


def test_it_says_what_it_needs():
    ended = subprocess.run([sys.executable, "ai.py"], cwd=REPOSITORY / "examples", capture_output=True, text=True,
                           env={}, timeout=DEADLINE)
    assert ended.returncode == 1 and ended.stderr.startswith("Run: OPENAI_BASE_URL=")
