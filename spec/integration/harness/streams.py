"""Answers that come bit by bit, each at the command of a test."""

import contextlib
import json
import queue

from .behaviours import head
from .exchange import Gate
from .waiting import DEADLINE

LINES, EVENTS = "application/x-ndjson", "text/event-stream"


class Streams:
    """A behaviour that begins an answer of that media type and leaves the rest to the test: see `next`.

    Its items come in chunks, or as HTTP/1.0 has it, which knows of none.
    """

    def __init__(self, content_type=LINES, chunked=True):
        self._content_type, self._chunked = content_type, chunked
        self._begun = queue.Queue()

    def __call__(self, exchange):
        headers = [("Content-Type", self._content_type)]
        if self._chunked:
            exchange.send(head(200, [*headers, ("Transfer-Encoding", "chunked")]))
        else:
            exchange.send(head(200, headers).replace(b"HTTP/1.1", b"HTTP/1.0"))
        stream = Stream(exchange, self._content_type.startswith(EVENTS), self._chunked)
        self._begun.put(stream)
        exchange.hold(stream.ended)

    def next(self):
        """The next answer that has begun."""
        return self._begun.get(timeout=DEADLINE)


class Stream:
    """An answer that has begun."""

    def __init__(self, exchange, events, chunked):
        self._exchange, self._events, self._chunked = exchange, events, chunked
        self.ended = Gate()

    def send(self, *items, **single):
        """Items, or one item of keyword arguments, all in one piece."""
        for item in items or [single]:
            if not isinstance(item, str):
                self._exchange.item(item)
        texts = [item if isinstance(item, str) else json.dumps(item) for item in items or [single]]
        self.raw("".join(f"data: {text}\n\n" if self._events else f"{text}\n" for text in texts).encode())

    def raw(self, octets):
        self._exchange.send(b"%x\r\n%s\r\n" % (len(octets), octets) if self._chunked else octets)

    def end(self):
        if self._chunked:
            self._exchange.send(b"0\r\n\r\n")
        else:
            # The other side may be faster to go.
            with contextlib.suppress(OSError):
                self._exchange.send_and_end(b"")
        self.ended.open()

    def break_off(self):
        """Ends the connection, in the middle of a chunk if there are any."""
        self._exchange.send_and_close(b"5\r\n" if self._chunked else b"")
        self.ended.open()

    def reset(self):
        self._exchange.reset()
        self.ended.open()
