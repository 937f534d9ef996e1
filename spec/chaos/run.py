"""Sends stanzas through a Prosody to a service that fails in every way, and counts what becomes of them.

    run.py [STANZAS]

The service stalls, resets, breaks off, says 503 and is killed every two seconds, while the module is reloaded and, now
and then, unloaded: once for each mode of delivery. Each stanza has to end in one reply or one error, in order. At least
once and without unloading it no sender may see an error.
"""

import collections
import itertools
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from harness import config
from harness.client import Component
from harness.prosody import COMPONENT_SECRET, Prosody, free_port
from harness.stanza import body as body_of, build

HOST = "bot.test"
SENDERS = 200
WINDOW = 2000
ENDED = 120


class Senders(Component):
    """What was sent, and what has come of it."""

    def __init__(self, port):
        self.outcomes = collections.defaultdict(list)
        self.replies = collections.defaultdict(list)
        self.room = threading.Semaphore(WINDOW)
        super().__init__(port, "peers.test", COMPONENT_SECRET)

    def stanza_received(self, stanza):
        known = stanza.id in self.outcomes
        self.outcomes[stanza.id].append("error" if stanza.type == "error" else "reply")
        if stanza.type != "error":
            sender, number = stanza.id.split("-")
            self.replies[sender].append(int(number))
        if not known:
            self.room.release()

    def say(self, sender, number):
        id = f"{sender}-{number}"
        self.room.acquire()
        self.send(build("message", body_of(id), from_=f"{sender}@peers.test/x", to=f"bot@{HOST}", type="chat", id=id))


class Service:
    """The process, and whoever kills it every two seconds."""

    def __init__(self, port, journal):
        self._command = [sys.executable, str(pathlib.Path(__file__).parent / "service.py"), str(port), str(journal)]
        self._over = threading.Event()
        self._start()
        self._killer = threading.Thread(target=self._kill, daemon=True)
        self._killer.start()

    def _start(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        self._process.stdout.readline()

    def _kill(self):
        while not self._over.wait(2):
            self._end()
            self._over.wait(0.2)
            self._start()

    def _end(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def stop(self):
        self._over.set()
        self._killer.join()
        self._end()


class Interference(threading.Thread):
    """Reloads and unloads, and looks at what Prosody takes meanwhile."""

    def __init__(self, prosody, unloads):
        super().__init__(daemon=True)
        self._prosody, self._unloads, self.over = prosody, unloads, threading.Event()
        self.reloads = self.unloads = self.threads = self.descriptors = 0

    def run(self):
        while not self.over.wait(1):
            self.threads = max(self.threads, self._prosody.threads())
            self.descriptors = max(self.descriptors, len(list(pathlib.Path(f"/proc/{self._prosody.pid}/fd").iterdir())))
            if self._unloads and self.reloads % 10 == 9:
                self._prosody.unload("component_http", HOST)
                self._prosody.load("component_http", HOST)
                self.unloads += 1
            self._prosody.reload("component_http", HOST)
            self.reloads += 1


def out_of_order(numbers):
    return sum(later <= earlier for earlier, later in itertools.pairwise(numbers))


def journal_of(path):
    """The first sight of each stanza by its sender, and how many were POSTed again that may have been processed."""
    first, seen, open_keys, again = collections.defaultdict(list), set(), set(), 0
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, key, *body = line.split(" ")
        if kind == "refused":
            open_keys.discard(key)
            continue
        again += key in open_keys
        open_keys.add(key)
        if key not in seen:
            seen.add(key)
            sender, number = body[0].split("-")
            first[sender].append(int(number))
    return first, again


def run(count, delivery, unloads):
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        journal = pathlib.Path(directory) / "journal"
        host = config.component(
            HOST, component_post_url=f"http://127.0.0.1:{port}/", component_post_retry_for=30,
            component_post_timeout=10, component_post_delivery=delivery)
        with Prosody([host]) as prosody:
            senders, service = Senders(prosody.component_port), Service(port, journal)
            interference = Interference(prosody, unloads)
            interference.start()
            begun = time.monotonic()
            for number in range(count):
                senders.say(f"s{number % SENDERS}", number)
            end = time.monotonic() + ENDED
            while len(senders.outcomes) < count and time.monotonic() < end:
                time.sleep(0.2)
            took = time.monotonic() - begun
            interference.over.set()
            interference.join()
            service.stop()
            memory = prosody.peak_memory()
            senders.close()
        first, again = journal_of(journal)
    outcomes = senders.outcomes
    result = {
        "lost": count - len(outcomes),
        "doubled": sum(len(ended) > 1 for ended in outcomes.values()),
        "out of order": sum(map(out_of_order, [*senders.replies.values(), *first.values()])),
        "POSTed twice": again,
    }
    errors = sum("error" in ended for ended in outcomes.values())
    print(f"{delivery}: {count} stanzas in {took:.0f} s, {errors} errors; {interference.reloads} reloads, "
          f"{interference.unloads} unloads; at most {memory >> 20} MB, {interference.threads} threads, "
          f"{interference.descriptors} descriptors")
    print("   " + ", ".join(f"{name}: {number}" for name, number in result.items()), flush=True)
    if delivery == "at-least-once":
        del result["POSTed twice"]
    return not any(result.values()) and (unloads or not errors)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    passes = (("at-most-once", True), ("at-least-once", True), ("at-least-once", False))
    passed = [run(count, *one) for one in passes]
    return 0 if all(passed) else 1


sys.exit(main())
