#!/usr/bin/env python3
"""Measures what 1,000 answers that grow at the same time cost Prosody's thread. Run: make bench-streams

Each gets a word every 100 ms, so that Prosody sends 1,000 corrections a second. What the thread needs for one of them
is compared with what it needs for the same message from a native component (XEP-0114); and meanwhile somebody asks
for an answer again and again: the waits are those of everybody else.
"""

import asyncio
import json
import multiprocessing
import os
import threading
import time

from harness.client import Component
from harness.config import component, external_component
from server import SECRET, Server
from waits import Waits

STREAMS, SECONDS, WORD_EVERY = 1000, 10, 0.1
BOT, NATIVE, EVERYBODY, ASKER = "bot.bench.test", "native.bench.test", "everybody.bench.test", "asker.bench.test"
TICK = os.sysconf("SC_CLK_TCK")
HINTS = "<replace xmlns='urn:xmpp:message-correct:0' id='first'/><no-store xmlns='urn:xmpp:hints'/>"


class Everybody(Component):
    """The host of all who ask: counts the versions that it is sent, and the bytes of their texts."""

    def __init__(self, versions, bytes, *arguments):
        self._versions, self._bytes = versions, bytes
        super().__init__(*arguments)

    def stanza_received(self, stanza):
        self._versions.value += 1
        self._bytes.value += len(stanza.body or "")


def receive_all(versions, bytes, connected, port):
    everybody = Everybody(versions, bytes, port, EVERYBODY, SECRET)
    for number in range(STREAMS):
        sender = f"user{number}@{EVERYBODY}/x"
        everybody.send(f"<message from='{sender}' to='bot@{BOT}' type='chat'><body>hi</body></message>")
    connected.set()
    everybody.closed.wait()


async def answer(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    [length] = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    await reader.readexactly(length)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n")
    word = json.dumps({"delta": "word "}).encode() + b"\n"
    while not writer.is_closing():
        writer.write(word)
        await asyncio.sleep(WORD_EVERY)


def serve(port):
    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=STREAMS)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()
    asyncio.run(run())


def cpu(pid):
    """Seconds that the main thread of a process has used."""
    with open(f"/proc/{pid}/task/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def window(title, prosody, asker, versions, bytes):
    """What a version cost, and how long its text was."""
    waits = Waits(asker)
    before, used, length = versions.value, cpu(prosody.pid), bytes.value
    waits.start()
    time.sleep(SECONDS)
    told, used, length = versions.value - before, cpu(prosody.pid) - used, bytes.value - length
    print(f"{title:12} {told / SECONDS:8.0f} a second, {100 * used / SECONDS:5.1f} % of the thread; {waits.end()}",
          flush=True)
    return used, told, length // max(told, 1)


def send_natively(native, text, per_second, ended):
    """The same messages, as many."""
    body, number = f"<body>{text}</body>", 0
    while not ended.wait(0.01):
        for _ in range(per_second // 100):
            number += 1
            native.send(f"<message from='bot@{NATIVE}' to='user{number % STREAMS}@{EVERYBODY}/x' type='chat' "
                        f"id='version{number}'>{body}{HINTS}</message>")


def main():
    port = multiprocessing.Queue()
    multiprocessing.Process(target=serve, args=(port,), daemon=True).start()
    hosts = [external_component(host, SECRET) for host in (NATIVE, EVERYBODY, ASKER)]
    hosts.append(component(BOT, component_post_url=f"http://127.0.0.1:{port.get()}/",
                           component_post_concurrency=2 * STREAMS))
    with Server(hosts) as prosody:
        asker = Component(prosody.component_port, ASKER, SECRET).peer()
        native = Component(prosody.component_port, NATIVE, SECRET)
        versions, bytes = multiprocessing.Value("i"), multiprocessing.Value("q")
        connected = multiprocessing.Event()
        idle, _, _ = window("idle", prosody, asker, versions, bytes)
        multiprocessing.Process(target=receive_all, args=(versions, bytes, connected, prosody.component_port),
                                daemon=True).start()
        connected.wait()
        while versions.value < STREAMS:
            time.sleep(0.05)
        used, told, length = window("streams-1000", prosody, asker, versions, bytes)
        grown = (used - idle) / told
        prosody.unload("component_http", BOT)
        ended = threading.Event()
        sender = threading.Thread(target=send_natively, args=(native, "x" * length, told // SECONDS, ended))
        sender.start()
        time.sleep(1)
        used, told, _ = window("native", prosody, asker, versions, bytes)
        ended.set()
        sender.join()
        sent = (used - idle) / told
        print(f"a version costs {1e6 * grown:.0f} µs of the thread, a native component's message {1e6 * sent:.0f} µs:"
              f" ratio {grown / sent:.2f} (≤ 1)")


main()
