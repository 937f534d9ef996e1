#!/usr/bin/env python3
"""Measures component_http and client_proxy against Prosody's own limit. Run: make bench

Everything runs on loopback and in temporary directories. The parties take turns (A B C A B C …),
so that whatever else the machine does meets all of them; what counts are the ratios.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

import chart
import pushes
import report
from memory import InFlight, queued, waiting
from server import BENCHES, Backend, Server
from settings import DIRECT, IMPLEMENTATION, NATIVE, OVER_HTTP, PROXY, PROXY_HOST, SETTINGS, TARGET_HOST, hosts

IN_FLIGHT, QUEUE, DOWN = "in-flight", "queue", "down"


def main():
    arguments = parse_arguments()
    chosen = [setting for setting in SETTINGS if re.search(arguments.only, setting.name)]
    results = {"machine": machine(), "settings": {}, "faults": []}
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(Backend())
        in_flight = None
        if re.search(arguments.only, IN_FLIGHT):
            in_flight = stack.enter_context(InFlight(OVER_HTTP, backend))
            progress(IN_FLIGHT)
            in_flight.run()
        if chosen:
            measure(chosen, backend, arguments, results)
        if re.search(arguments.only, QUEUE):
            progress(QUEUE)
            results["queue"] = queued(backend)
        if re.search(arguments.only, DOWN):
            progress(DOWN)
            results["down"] = waiting(arguments.quick)
        if in_flight:
            progress("a minute later")
            results["in_flight"] = in_flight.settle()
            results["faults"] += in_flight.faults
    progress("")
    report.show(results)
    if arguments.save:
        save(results)
    return 1 if results["faults"] else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument("--only", default="", metavar="REGEX", help="the settings whose name matches")
    parser.add_argument("--seconds", type=float, help="length of each run")
    parser.add_argument("--rounds", type=int, help="rounds of each setting")
    parser.add_argument("--save", action="store_true", help="write JSON and chart into benches/results")
    return parser.parse_args()


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    about = subprocess.run(["prosodyctl", "about"], text=True, capture_output=True, check=True)
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "prosody": about.stdout.splitlines()[0],
    }


def measure(settings, backend, arguments, results):
    with Server(hosts(settings, backend), pushes.accounts()) as server:
        for host in {setting.host(NATIVE) for setting in settings if NATIVE in setting.parties}:
            server.connect_native(host)
        for setting in settings:
            results["settings"][setting.name] = take_turns(setting, server, arguments, results["faults"])
        results["faults"] += [f"Prosody logged: {line}" for line in server.log() if line.level == "error"]


def take_turns(setting, server, arguments, faults):
    rounds = arguments.rounds or (1 if arguments.quick else setting.rounds)
    seconds = arguments.seconds or (0.4 if arguments.quick else 0.8)
    runs = {party: [] for party in setting.parties}
    for number in range(rounds):
        for party in setting.parties:
            progress(f"{setting.name} {number + 1}/{rounds} {party}")
            run = one_run(setting, party, server, seconds)
            runs[party].append(run)
            if any(run["faults"].values()):
                faults.append(f"{setting.name}, {party}: {run['faults']}")
    return {"title": setting.title, "rounds": rounds, "parties": {party: summary(runs[party]) for party in runs}}


def one_run(setting, party, server, seconds):
    options = {"outstanding": setting.outstanding, "senders": setting.senders or setting.outstanding,
               "size": setting.size, "seconds": seconds}
    if party in (DIRECT, PROXY):
        to = PROXY_HOST if party == PROXY else IMPLEMENTATION
        return server.load(setting.load, to, target_host=TARGET_HOST, implementation=IMPLEMENTATION, **options)
    if party in pushes.PARTIES:
        return server.load(setting.load, **pushes.target(party), **options)
    return server.load("messages", f"bot@{setting.host(party)}", **options)


def summary(runs):
    """Median and spread of each figure over the rounds."""
    figures = {
        "rate": [run["rate"] for run in runs],
        "main_us": [run["main_us"] for run in runs],
        "workers_us": [run["workers_us"] for run in runs],
        **{name: [run["round_trip_us"][name] for run in runs] for name in ("p50", "p90", "p99")},
    }
    return {
        name: {"median": statistics.median(values), "low": min(values), "high": max(values)}
        for name, values in figures.items()
    }


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def save(results):
    directory = BENCHES / "results"
    directory.mkdir(exist_ok=True)
    (directory / "bench.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (BENCHES.parent / "docs" / "performance.svg").write_text(chart.draw(results["settings"]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
