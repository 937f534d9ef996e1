"""What exchanges in flight and stanzas in the queue cost in memory, on Prosodys of their own."""

import contextlib
import os
import signal
import statistics
import time

from harness.config import component
from harness.prosody import free_port
from server import Server
from settings import HTTP, MODULES

IN_FLIGHT, ROUNDS = 1_000, 3
QUEUED = 100_000
SETTLE = 60
# Until what came with the flood is over, and how long the process is watched then, in seconds.
REST, WATCHED = 2, 30
HOST = "bot.bench.test"
JID = f"echo@{HOST}"


class InFlight:
    """Keeps 1,000 exchanges in flight at a backend that takes a second, then looks again a minute later."""

    def __init__(self, parties, backend):
        url = backend.url("body", 1_000)
        self.servers = {
            party: Server([component(HOST, MODULES[party], component_post_url=url,
                                     component_post_concurrency=IN_FLIGHT)])
            for party in parties
        }
        self.idle, self.peak, self.rates = {}, {}, {party: [] for party in parties}
        self.ended = 0.0
        self.faults = []

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for server in self.servers.values():
                stack.enter_context(server)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *failure):
        self._stack.close()

    def run(self):
        self.idle = {party: server.resident() for party, server in self.servers.items()}
        for _ in range(ROUNDS):
            for party, server in self.servers.items():
                report = server.load("messages", JID, outstanding=IN_FLIGHT, count=3 * IN_FLIGHT)
                self.rates[party].append(report["rate"])
                if any(report["faults"].values()):
                    self.faults.append(f"1,000 in flight, {party}: {report['faults']}")
        self.peak = {party: server.resident(peak=True) for party, server in self.servers.items()}
        self.ended = time.monotonic()

    def settle(self):
        """Waits until a minute after the last exchange and returns what was measured."""
        time.sleep(max(0, self.ended + SETTLE - time.monotonic()))
        return {
            party: {
                "rate": statistics.median(self.rates[party]),
                "idle_bytes": self.idle[party],
                "peak_above_idle_bytes": self.peak[party] - self.idle[party],
                "after_a_minute_above_idle_bytes": server.resident() - self.idle[party],
            }
            for party, server in self.servers.items()
        }


def queued(backend):
    """Resident memory of 100,000 stanzas that wait for a backend that does not answer, each from another sender."""
    with flooded(
        component_post_url=backend.url("body", 3_600_000),
        component_post_timeout=3_600,
        component_post_concurrency=4,
    ) as (_, memory):
        return memory


def waiting(quick):
    """The same of stanzas that wait for a service that is down, and the part of a core that the process takes."""
    with flooded(component_post_url=f"http://127.0.0.1:{free_port()}/", component_post_retry_for=3_600) as (
            server, memory):
        server.wait_for_log("the service is down")
        time.sleep(REST)
        seconds, begun = (2 if quick else WATCHED), time.monotonic()
        used = server.cpu_seconds()
        time.sleep(seconds)
        core = (server.cpu_seconds() - used) / (time.monotonic() - begun)
        return {**memory, "core": core}


@contextlib.contextmanager
def flooded(**options):
    """A Prosody with 100,000 stanzas that wait, and what that takes in memory."""
    host = component(HOST, MODULES[HTTP], component_post_queue_size=2 * QUEUED, **options)
    with Server([host]) as server:
        before = server.resident()
        with server.flood(JID, count=QUEUED, size=200) as report:
            own = report["bytes"] / QUEUED
            if report["answered"]:
                raise RuntimeError(f"{report['answered']} of the stanzas that wait were answered")
            beside = (server.resident() - before) / QUEUED - own
            yield server, {"stanzas": QUEUED, "own_bytes": own, "beside_own_bytes": beside}
            # An orderly end would bounce every one of them first.
            os.kill(server.pid, signal.SIGKILL)
