"""A push of the greatest length delays nobody: it is read beside Prosody's thread."""

import re
import select
import time

import pytest

from harness import bot as bots, push
from harness.installation import brings
from harness.push import PATH, TOKEN, Service
from harness.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.skipif(not brings("util/cache.lua"), reason="Prosody 0.9 takes no pushes")

OPTIONS = push.options()
PORT = OPTIONS["http_ports"][0]
LIMIT = 262_144
# The last address is none, so that nothing is sent and only reading takes time: that of long addresses most of all.
LAST = push.encoded({"to": "@"})
ONE = push.encoded({"to": "é" * 500 + "@peers.test"})
COUNT = (LIMIT - len(LAST) - 2) // (len(ONE) + 1)
# What Prosody's HTTP server says of a request, each version in its own way.
RECEIVED = re.compile(rf"POST \S*{PATH}")
LARGEST = f"[{(ONE + ',') * COUNT}{LAST}]"


def hosts(backend):
    return [bots.component(backend, component_push_tokens=[TOKEN], component_push_rate=1_000_000)]


@pytest.fixture
def services(prosody):
    services = Service(PORT), Service(PORT)
    yield services
    for service in services:
        service.close()


def test_the_greatest_length(services, peer):
    service, _ = services
    text = "x" * (LIMIT - len(push.encoded({"to": peer.jid, "body": ""})))
    assert service.push({"to": peer.jid, "body": text}).status == 202
    assert peer.receive().body == text
    assert service.push({"to": peer.jid, "body": text + "x"}).status == 413


def test_what_comes_later_is_answered_before_it(prosody, services):
    """That cannot be where it is read on Prosody's thread: its answer is on the way then before anything else is."""
    large, small = services

    def overtaken():
        position = prosody.log_position()
        large.begin(LARGEST)
        # Prosody has all of it then, and hands it over next: no time to sleep.
        end = time.monotonic() + DEADLINE
        while not any(RECEIVED.search(line.text) for line in prosody.log(position)):
            assert time.monotonic() < end, prosody.tail()
        assert small.push({"to": "a@peers.test"}).status == 202
        was_first = not select.select([large.connection.sock], [], [], 0)[0]
        answer = large.answer()
        assert (answer.status, answer.json["item"]) == (400, COUNT + 1)
        return was_first
    wait_until(overtaken, "an answer before the one to a long push that came first")
