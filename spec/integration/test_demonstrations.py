"""The demonstrations show what they promise, and nothing else."""

import json
import re
import signal
import subprocess
import sys

import pytest

from harness import stanza
from harness.client import User
from harness.installation import REPOSITORY
from harness.waiting import DEADLINE, wait_until


def start(name, *options, **how):
    return subprocess.Popen([sys.executable, REPOSITORY / "examples" / name, *options],
                            stdin=subprocess.DEVNULL, text=True, **how)


def shown_by(name):
    """What a demonstration prints, once it has ended well."""
    with start(name, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as demonstration:
        output, errors = demonstration.communicate(timeout=120)
    assert (demonstration.returncode, errors) == (0, "")
    return output


def test_one_message_through_a_web_service():
    output = shown_by("demo.py")
    request, answer = (json.loads(shown) for shown in re.findall(r"^    \{\n.*?^    \}$", output, re.M | re.S))
    assert request["to"] == "echo@bot.localhost"
    assert answer == {"body": request["body"]}
    pushed = re.search(r"--data-binary '([^']+)' http://127.0.0.1:\d+/component_http/to/alice@localhost", output)[1]
    assert f"<body>{pushed}</body>" in output and '{"ids":["' in output
    assert "docs/install.markdown" in output.partition("What next:")[2]


def test_iq_requests_and_conversations_with_two_clients_and_then_with_one():
    output = shown_by("demo_proxy.py")
    lines = [line for line in output.splitlines() if "made by the client" in line]
    assert len(lines) == 20
    assert all("'two'" in line for line in lines[10:])
    partners = re.findall(r"^ +(alice|bob|carol) .* says (one|two)$", output, re.M)
    assert {"one", "two"} == {partner for _, partner in partners[:6]}
    assert partners[6:] == [("alice", "two"), ("bob", "two"), ("carol", "two")]
    assert "docs/install.markdown" in output.partition("What next:")[2]


@pytest.fixture
def kept(tmp_path):
    """A demonstration that goes on, and a function that gives what it has printed."""
    file = tmp_path / "output"
    with open(file, "w", encoding="utf-8") as output:
        demonstration = start("demo.py", "--keep", stdout=output, stderr=subprocess.STDOUT)
    yield demonstration, lambda: file.read_text(encoding="utf-8")
    if demonstration.poll() is None:
        demonstration.send_signal(signal.SIGTERM)
    demonstration.wait(DEADLINE)


def test_what_is_kept_running_shows_further_exchanges_and_ends_with_ctrl_c(kept):
    demonstration, output = kept
    port = int(wait_until(lambda: re.search(r"127\.0\.0\.1, port (\d+)", output()), output)[1])
    alice = User(port, "alice@localhost", "wonderland")
    alice.message("weather@bot.localhost", stanza.body("Tokyo"), type="chat")
    assert alice.receive().body == "Tokyo"
    wait_until(lambda: re.search(r'received \{.*"Tokyo".*\n.*answered \{"body": "Tokyo"\}', output()), output)
    alice.close()
    demonstration.send_signal(signal.SIGINT)
    assert demonstration.wait(DEADLINE) == 0
