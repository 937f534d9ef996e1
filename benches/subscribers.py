#!/usr/bin/env python3
"""Measures how long subscribers of client_proxy hold Prosody's thread. Run: make bench-subscribers

100,000 of them are in storage. While they are read, and while each is told that the service has come, a component
asks Prosody for an answer again and again: the longest wait is the longest time that the thread was held, and more.
"""

import argparse
import collections
import hashlib
import multiprocessing
import time

from harness.client import Component
from harness.config import component, external_component, literal
from harness.prosody import Prosody
from harness.target import PASSWORD, TargetClient
from server import SECRET, Server
from waits import Waits

PROXY, SERVICE = "proxy.bench.test", "service@localhost"
EVERYBODY, ASKER = "everybody.bench.test", "asker.bench.test"


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subscribers", type=int, default=100_000)
    count = parser.parse_args().subscribers
    hosts = [external_component(host, SECRET) for host in (EVERYBODY, ASKER)]
    hosts.append(component(PROXY, "client_proxy", target_address=SERVICE, proxy_stanzas=["iq", "presence"]))
    with Server(hosts, accounts={SERVICE: PASSWORD}) as prosody:
        asker = Component(prosody.component_port, ASKER, SECRET).peer()
        waits = Waits(asker)
        waits.start()
        time.sleep(2)
        print(f"idle            {waits.end()}", flush=True)
        prosody.unload("client_proxy", PROXY)
        store(prosody.directory, count)
        waits = Waits(asker)
        waits.start()
        Prosody.load(prosody, "client_proxy", PROXY)
        time.sleep(3)
        print(f"reading         {waits.end()}", flush=True)
        told, connected = multiprocessing.Value("i"), multiprocessing.Event()
        multiprocessing.Process(target=receive_all, args=(told, connected, prosody.component_port), daemon=True).start()
        connected.wait()
        client = TargetClient(prosody, SERVICE, "one")
        waits, began = Waits(asker), time.monotonic()
        waits.start()
        while told.value < count:
            time.sleep(0.05)
        print(f"telling         {waits.end()}; all in {time.monotonic() - began:.1f} s", flush=True)
        client.close()


main()
