#!/usr/bin/env python3
"""Measures the strategies of client_proxy with clients of different speed. Run: make bench-strategies

Three clients serve one request at a time each, and one of them takes ten times as long as the others.
Requests come at random, so many that the slow one would just manage a third of them.
"""

import argparse
import random
import statistics
import threading
import time

from harness.client import Component, StreamClosed
from harness.config import component, external_component
from harness.target import PASSWORD, TargetClient
from server import SECRET, Server

REQUESTERS = "requesters.bench.test"
SERVICE_TIMES = {"fast": 0.002, "also-fast": 0.002, "slow": 0.02}  # seconds
RATE = 120  # requests per second: 40 for the slow one, which can serve 50
STRATEGIES = {"random": "random", "robin": "round-robin", "least": "least-outstanding"}


class Client(TargetClient):
    """A client that takes its time for each request, one after the other."""

    def __init__(self, prosody, jid, resource):
        super().__init__(prosody, jid, resource)
        self.served = 0
        threading.Thread(target=self._serve, args=(SERVICE_TIMES[resource],), daemon=True).start()

    def _serve(self, service_time):
        try:
            while True:
                request = self.request()
                time.sleep(service_time)
                self.answer(request)
                self.served += 1
        except StreamClosed:
            pass


class Load:
    """Requests at random times, and how long each took."""

    def __init__(self, peer, host):
        self._peer, self._host = peer, host
        self._sent = {}
        self.latencies = []

    def run(self, count):
        receiver = threading.Thread(target=self._receive, args=(count,))
        receiver.start()
        times = random.Random(1)
        due = time.monotonic()
        for number in range(count):
            due += times.expovariate(RATE)
            time.sleep(max(0, due - time.monotonic()))
            self._sent[str(number)] = time.monotonic()
            self._peer.iq(self._host, id=str(number))
        receiver.join()

    def _receive(self, count):
        for _ in range(count):
            answer = self._peer.receive()
            if answer.type != "result":
                raise SystemExit(f"not answered: {answer}")
            self.latencies.append(time.monotonic() - self._sent.pop(answer.id))


def measure(prosody, network, name, count):
    """Prints the latencies with a strategy."""
    clients = [Client(prosody, f"{name}@localhost", resource) for resource in SERVICE_TIMES]
    peer = network.peer()
    while True:
        peer.iq(f"{name}.bench.test")
        if peer.receive().type == "result":
            break
        time.sleep(0.1)
    load = Load(peer, f"{name}.bench.test")
    load.run(count)
    percentiles = statistics.quantiles(load.latencies, n=100)
    served = ", ".join(f"{client.jid.split('/')[1]} {client.served}" for client in clients)
    print(f"{STRATEGIES[name]:18} p50 {1000 * percentiles[49]:6.1f} ms"
          f"   p99 {1000 * percentiles[98]:6.1f} ms   {served}", flush=True)
    for client in clients:
        client.leave()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=3000, help="requests for each strategy")
    count = parser.parse_args().requests
    hosts = [external_component(REQUESTERS, SECRET)] + [
        component(f"{name}.bench.test", "client_proxy", target_address=f"{name}@localhost", proxy_strategy=strategy)
        for name, strategy in STRATEGIES.items()]
    with Server(hosts, accounts={f"{name}@localhost": PASSWORD for name in STRATEGIES}) as prosody:
        network = Component(prosody.component_port, REQUESTERS, SECRET)
        for name in STRATEGIES:
            measure(prosody, network, name, count)
        network.close()


main()
