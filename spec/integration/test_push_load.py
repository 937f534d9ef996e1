"""Many pushes at once, a part of them made twice and a part of their connections cut: each arrives once.

PUSHES in the environment says how many.
"""

import collections
import concurrent.futures
import os
import random

import pytest

from harness import bot as bots, push
from harness.installation import brings
from harness.push import TOKEN, Service
from harness.waiting import wait_until

pytestmark = pytest.mark.skipif(not brings("util/cache.lua"), reason="Prosody 0.9 takes no pushes")

OPTIONS = push.options()
PORT = OPTIONS["http_ports"][0]
PUSHES = int(os.environ.get("PUSHES", "4000"))
CLIENTS = 16
REPEATED = 0.1
CUT = 0.02


def hosts(backend):
    return [bots.component(backend, component_push_tokens=[TOKEN], component_push_rate=1_000_000)]


class Pusher:
    """A client that is not sure of its connection."""

    def __init__(self, number, to):
        self.service, self.random, self.to, self.number = Service(PORT), random.Random(number), to, number

    def run(self):
        for push_ in range(self.number, PUSHES, CLIENTS):
            if self.random.random() < CUT:
                self.cut(push_)
            first = self.until_answered(push_)
            if self.random.random() < REPEATED:
                assert self.until_answered(push_) == first
        self.service.close()

    def message(self, number):
        return {"to": self.to, "body": str(number)}, {"Idempotency_Key": f"push-{number}"}

    def cut(self, number):
        message, headers = self.message(number)
        self.service.begin(push.encoded(message), **headers)
        self.service.close()

    def until_answered(self, number):
        """The ids, as soon as no other request with the key is under way."""
        message, headers = self.message(number)

        def pushed():
            answer = self.service.push(message, **headers)
            return answer.status != 409 and answer.ids
        return wait_until(pushed, f"an answer to push {number}")


def test_none_is_missing_and_none_is_doubled(prosody, peer):
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
        running = [clients.submit(Pusher(number, peer.jid).run) for number in range(CLIENTS)]
        received = collections.Counter(peer.receive().body for _ in range(PUSHES))
        for client in running:
            client.result()
    assert not [body for body, count in received.items() if count > 1]
    assert len(received) == PUSHES
    Service(PORT).push({"to": peer.jid, "body": "last"})
    assert peer.receive().body == "last"
