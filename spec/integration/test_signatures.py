"""Who is calling: each request has an id, a time and, with a secret, a signature that the libraries of Standard
Webhooks verify in the lines that docs/security.markdown shows.
"""

import json
import os
import re
import subprocess
import time

import pytest

from harness import behaviours, bot as bots, services
from harness.installation import document
from harness.waiting import DEADLINE

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
STRANGE = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
TEXT = "Grüße & \"quotes\" \U0001f600"
HEADERS = {"X-Api-Key": "key = käse", "Authorization": "Bearer 0123456789"}

# What has to stand before and after the lines that are shown. The request comes as JSON.
PROGRAMS = {
    "python": "import json, os, sys\n"
              "given = json.load(sys.stdin)\n"
              "body, headers = given['body'].encode(), given['headers']\n"
              "{shown}"
              "print(request['body'])\n",
    "javascript": "const {{ body, headers }} = JSON.parse(require('node:fs').readFileSync(0));\n"
                  "{shown}"
                  "console.log(request.body);\n",
}


def hosts(backend):
    return [
        bots.component(backend, component_post_secret=SECRET),
        bots.component(backend, "two.test", component_post_secret=[OTHER, SECRET]),
        bots.component(backend, "again.test", component_post_secret=SECRET, component_post_retry_for=30),
        bots.component(backend, "unsigned.test", component_post_headers=HEADERS),
    ]


def run_shown(language, secret, body, headers):
    """Runs the lines of the document, and returns how the program ended and what it printed."""
    [shown] = re.findall(rf"^``` {{\.{language}}}\n(.*?)^```$", document("docs/security.markdown"), re.M | re.S)
    program = PROGRAMS[language].format(shown=shown)
    command = [services.python(), "-c"] if language == "python" else [services.node(), "-e"]
    ended = subprocess.run(
        [*command, program], input=json.dumps({"body": body, "headers": headers}), text=True, capture_output=True,
        encoding="utf-8", timeout=DEADLINE,
        env={**os.environ, "WEBHOOK_SECRET": secret, "NODE_PATH": str(services.MODULES), "PYTHONIOENCODING": "utf-8"})
    return ended.returncode, ended.stdout.strip(), ended.stderr


def signed(request):
    return request.body.decode(), {name.lower(): value for name, value in request.headers}


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_lines_that_are_shown_verify_a_request(bot, peer, language):
    peer.say(bot.jid, TEXT)
    body, headers = signed(bot.request())
    assert run_shown(language, SECRET, body, headers)[:2] == (0, TEXT)
    for secret, said in [(SECRET, body.replace("Gr", "gr")), (STRANGE, body)]:
        status, printed, complaint = run_shown(language, secret, said, headers)
        assert status != 0 and not printed
        assert "No matching signature found" in complaint


@pytest.mark.parametrize("language", PROGRAMS)
@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_with_two_secrets_either_verifies(bot_at, peer, language, secret):
    two = bot_at("two.test")
    peer.say(two.jid, TEXT)
    assert run_shown(language, secret, *signed(two.request()))[:2] == (0, TEXT)


def test_each_attempt_is_signed_anew_with_the_same_id(bot_at, peer):
    again = bot_at("again.test")
    again.behave(behaviours.in_turn(behaviours.respond(503), behaviours.respond(204)))
    peer.say(again.jid, TEXT)
    first, second = again.wait_for_requests(2)
    assert first.body == second.body
    assert first.header("webhook-id") == second.header("webhook-id")
    assert int(first.header("webhook-timestamp")) <= int(second.header("webhook-timestamp"))
    for request in (first, second):
        assert run_shown("python", SECRET, *signed(request))[:2] == (0, TEXT)


def test_id_and_time_of_a_request(bot, peer):
    begun = int(time.time())
    peer.say(bot.jid)
    peer.say(bot.jid)
    requests = bot.wait_for_requests(2)
    for request in requests:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", request.header("webhook-id"))
        assert request.header("idempotency-key") == request.header("webhook-id")
        assert begun <= int(request.header("webhook-timestamp")) <= time.time()
    assert len({request.header("webhook-id") for request in requests}) == 2


def test_without_a_secret_there_is_no_signature(bot_at, peer):
    unsigned = bot_at("unsigned.test")
    peer.say(unsigned.jid)
    request = unsigned.request()
    assert request.header("webhook-signature") is None
    assert request.header("webhook-id") and request.header("webhook-timestamp")


def test_headers_of_the_admin_s_own(bot_at, peer):
    own = bot_at("unsigned.test")
    peer.say(own.jid)
    for name, value in HEADERS.items():
        # The harness reads headers as Latin-1.
        assert own.request().header(name).encode("latin-1").decode() == value
