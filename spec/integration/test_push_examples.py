"""The examples that push do what their first lines say."""

import os
import shutil
import subprocess
import sys

import pytest

from harness import config, push
from harness.client import Component
from harness.installation import REPOSITORY, brings
from harness.prosody import COMPONENT_SECRET, Prosody
from harness.push import TOKEN
from harness.waiting import DEADLINE
from harness.web_service import WebService

pytestmark = pytest.mark.skipif(not brings("util/cache.lua"), reason="Prosody 0.9 takes no pushes")
BOTS = {"node": ("node", "reminder.js"), "python": (sys.executable, "reminder.py")}


@pytest.fixture
def served():
    """A function that starts a Prosody whose component POSTs there; it gives a component to talk to it from."""
    started = []

    def start(options, url):
        component = config.component("bot.test", component_post_url=url, component_push_tokens=[TOKEN],
                                     http_host="127.0.0.1")
        prosody = Prosody([component], options=options).__enter__()
        peers = Component(prosody.component_port, "peers.test", COMPONENT_SECRET)
        started.append((prosody, peers))
        return peers
    yield start
    for prosody, peers in started:
        peers.close()
        prosody.__exit__()


def url_of(options):
    return f"http://127.0.0.1:{options['http_ports'][0]}{push.PATH}"


@pytest.mark.parametrize("language", BOTS)
def test_a_reminder_comes_later(served, language):
    if not shutil.which(BOTS[language][0]):
        pytest.skip(f"{language} is not installed")
    options = push.options()
    with WebService(*BOTS[language], "{port}", url_of(options), TOKEN, "0.2") as bot:
        alice = served(options, bot.url).peer()
        alice.say("remind@bot.test", "hello")
        assert alice.receive().body.startswith("Hello!")
        alice.say("remind@bot.test", "tea")
        assert alice.receive().body == "I will remind you in 0.2 seconds."
        reminder = alice.receive()
        assert (reminder.body, reminder.sender) == ("Remember: tea", "remind@bot.test")


def test_an_alert_is_sent_and_a_wrong_one_fails(served):
    options = push.options()
    alice = served(options, "http://127.0.0.1:1/").peer()

    def alert(token):
        return subprocess.run(
            [REPOSITORY / "examples" / "alert.sh", alice.jid, "The disk is full"], capture_output=True, text=True,
            timeout=DEADLINE, env={**os.environ, "PUSH_URL": url_of(options), "PUSH_TOKEN": token})
    assert alert(TOKEN).returncode == 0
    assert alice.receive().body == "The disk is full"
    refused = alert("wrong")
    assert refused.returncode != 0 and "component_push_tokens" in refused.stdout
