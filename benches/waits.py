"""How long everybody else waits while something is measured."""

import threading
import time

PAUSE = 0.001  # seconds


class Waits(threading.Thread):
    """How long each of many small requests waits, one after the other."""

    def __init__(self, peer):
        super().__init__(daemon=True)
        self._peer, self._ended = peer, threading.Event()
        self.longest = []

    def run(self):
        while not self._ended.is_set():
            asked = time.perf_counter()
            self._peer.iq("localhost", "<ping xmlns='urn:xmpp:ping'/>")
            self._peer.receive()
            self.longest.append(time.perf_counter() - asked)
            time.sleep(PAUSE)

    def end(self):
        self._ended.set()
        self.join()
        waits = sorted(1000 * wait for wait in self.longest)
        return (f"{len(waits)} requests: p50 {waits[len(waits) // 2]:.1f} ms,"
                f" p99 {waits[len(waits) * 99 // 100]:.1f} ms, longest {waits[-1]:.1f} ms")
