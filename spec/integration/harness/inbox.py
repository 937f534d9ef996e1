"""Stanzas that a stream received, waiting to be taken by the test."""

import contextlib
import queue

from .waiting import DEADLINE


class StreamClosed(Exception):
    """Happens when a stream ends while something is still expected from it."""


class Inbox:
    """Stanzas as they come in, to be taken one by one."""

    def __init__(self):
        self._queue = queue.Queue()

    def put(self, stanza):
        self._queue.put(stanza)

    def receive(self, deadline=DEADLINE):
        """The next stanza; fails when none comes before the deadline."""
        try:
            received = self._queue.get(timeout=deadline)
        except queue.Empty:
            raise AssertionError(f"no stanza came within {deadline:g} s") from None
        if received is None:
            self._queue.put(None)
            raise StreamClosed
        return received

    def receive_kind(self, kind):
        """The next stanza of that kind; what comes before it is let go."""
        while (received := self.receive()).kind != kind:
            pass
        return received

    def until_closed(self):
        """All that comes until the stream ends."""
        taken = []
        with contextlib.suppress(StreamClosed):
            while True:
                taken.append(self.receive())
        return taken

    def waiting(self):
        """Takes whatever has come so far, without waiting."""
        taken = []
        while True:
            try:
                taken.append(self._queue.get_nowait())
            except queue.Empty:
                return taken
