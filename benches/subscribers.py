#!/usr/bin/env python3
"""Measures how long subscribers of client_proxy hold Prosody's thread. Run: make bench-subscribers

100,000 of them are in storage. While they are read, and while each is told that the service has come and how it shows,
a module inside Prosody measures the longest CPU time that passes from one turn of its loop to the next. Beside that a
component asks for an answer again and again: how long that takes is what others notice, the rest of the machine
included.
"""

import argparse
import collections
import contextlib
import hashlib
import multiprocessing
import time

from harness.client import Component
from harness.config import component, external_component, literal
from harness.prosody import Prosody
from harness.target import PASSWORD, TargetClient
from harness.waiting import wait_until
from server import SECRET, Server
from waits import Waits

PROXY, SERVICE = "proxy.bench.test", "service@localhost"
EVERYBODY, ASKER = "everybody.bench.test", "asker.bench.test"
DEADLINE = 120  # seconds
INTERVAL = 5  # seconds from one change that is told to the next


class Everybody(Component):
    """The host of the subscribers: counts what it is sent."""

    def __init__(self, told, *arguments):
        self._told = told
        super().__init__(*arguments)

    def stanza_received(self, stanza):
        self._told.value += stanza.kind == "presence"


def receive_all(told, connected, port):
    """Receives for everybody, in a process of its own, so as not to be in the way of whoever measures."""
    everybody = Everybody(told, port, EVERYBODY, SECRET)
    connected.set()
    everybody.closed.wait()


def store(directory, count):
    """Writes the subscribers into Prosody's storage, in the parts in which the component has them."""
    parts = collections.defaultdict(dict)
    for number in range(count):
        jid = f"user{number}@{EVERYBODY}"
        parts[hashlib.sha256(jid.encode()).hexdigest()[:2]][jid] = [f"bot@{PROXY}"]
    records = directory / "data" / PROXY.replace(".", "%2e") / "client_proxy_subscribers"
    records.mkdir(parents=True)
    for name, part in parts.items():
        (records / f"{name}.dat").write_text(f"return {literal(part)};\n", encoding="utf-8")


@contextlib.contextmanager
def measured(stage, prosody, asker):
    """Measures what happens meanwhile, and prints it."""
    longest_hold(prosody)
    waits, began = Waits(asker), time.monotonic()
    waits.start()
    yield
    seconds = time.monotonic() - began
    print(f"{stage:<10} held for {longest_hold(prosody):.1f} ms at most in {seconds:.1f} s; {waits.end()}", flush=True)


def longest_hold(prosody):
    """The longest time in milliseconds that Prosody's thread was held since this was asked last."""
    return float(prosody.shell("> prosody.hosts.localhost.modules.bench_hold.module.take()").rpartition(" ")[2])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subscribers", type=int, default=100_000)
    count = parser.parse_args().subscribers
    hosts = [external_component(host, SECRET) for host in (EVERYBODY, ASKER)]
    hosts.append(component(PROXY, "client_proxy", target_address=SERVICE, proxy_stanzas=["iq", "presence"]))
    with Server(hosts, accounts={SERVICE: PASSWORD}) as prosody:
        asker = Component(prosody.component_port, ASKER, SECRET).peer()
        Prosody.load(prosody, "bench_hold", "localhost")
        with measured("idle", prosody, asker):
            time.sleep(2)
        prosody.unload("client_proxy", PROXY)
        store(prosody.directory, count)
        Prosody.load(prosody, "client_proxy", PROXY)
        with measured("reading", prosody, asker):
            time.sleep(3)
        told, connected = multiprocessing.Value("i"), multiprocessing.Event()
        multiprocessing.Process(target=receive_all, args=(told, connected, prosody.component_port), daemon=True).start()
        connected.wait()
        with measured("coming", prosody, asker):
            client = TargetClient(prosody, SERVICE, "one")
            wait_until(lambda: told.value >= count, "all told", DEADLINE)
        time.sleep(INTERVAL)
        with measured("changing", prosody, asker):
            client.presence("<show>away</show>")
            wait_until(lambda: told.value >= 2 * count, "all told", DEADLINE)
        client.close()


main()
