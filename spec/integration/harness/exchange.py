"""A request, and the socket on which a behaviour answers it octet by octet."""

import contextlib
import json
import select
import socket
import ssl
import struct
import time

WATCHED = 1 << 20
"""Octets of a response at most that are looked at."""
RESET_ON_CLOSE = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Request:
    """One request as it came: its target, headers, body, when, and on which connection."""

    def __init__(self, head, body, connection, number):
        request_line, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = request_line.split(" ")
        self.path, _, self.query = self.target.partition("?")
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines if line]
        self.body = body
        self.connection = connection
        self.number_on_connection = number
        self.arrived = time.monotonic()
        self.answered = None

    def header(self, name):
        """The value of the only header of that name (None without one)."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} is there {len(values)} times"
        return values[0] if values else None

    @property
    def json(self):
        return json.loads(self.body.decode("utf-8"))


class Exchange:
    """A request and the socket on which a behaviour answers it."""

    def __init__(self, request, connection, endpoint, watch):
        self.request, self._socket, self._endpoint = request, connection, endpoint
        self.keep_open = True
        self._watch, self._sent = watch, b""

    def send(self, octets):
        self.request.answered = self.request.answered or time.monotonic()
        if self._watch:
            self._sent += octets
            self._look(is_end=False)
        self._socket.sendall(octets)

    def _look(self, is_end):
        if self._watch.webhook_answer(self._sent, is_end) or len(self._sent) > WATCHED:
            self._watch = None

    def item(self, item):
        """An item of an answer that comes bit by bit is about to be sent."""
        if self._watch:
            self._watch.webhook_item(item)

    def look_away(self):
        """What is sent is not as it should be, and is meant to be so."""
        self._watch = None

    def end(self):
        """Nothing more is sent."""
        if self._watch:
            self._look(is_end=True)

    def send_and_close(self, octets):
        """Sends the octets and the end (FIN) together, so that nobody takes the connection for an open one."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.send(octets)
        self._socket.shutdown(socket.SHUT_WR)
        self.keep_open = False

    def send_and_end(self, octets):
        """Like `send_and_close`, but over TLS it says before that it is the end (close_notify)."""
        self.send(octets)
        if isinstance(self._socket, ssl.SSLSocket):
            with contextlib.suppress(OSError):
                self._socket.unwrap()
        self._socket.shutdown(socket.SHUT_WR)
        self.keep_open = False

    def close(self):
        """Ends the connection in an orderly way after this exchange (FIN)."""
        self.keep_open = False

    def reset(self):
        """Ends the connection at once with a RST."""
        reset(self._socket)
        self.keep_open = False

    def hang(self):
        """Holds the answer back until the test releases the endpoint or the other side goes away."""
        self._endpoint.hold(self._socket)

    def hold(self, gate):
        """Waits until the gate is opened, the endpoint is released or the other side goes away."""
        self._endpoint.hold(self._socket, gate)


def reset(connection):
    connection.setsockopt(*RESET_ON_CLOSE)
    connection.close()


class Gate:
    """Holds threads back until it is opened or their connection is closed by the other side, without polling."""

    def __init__(self):
        self._inside, self._outside = socket.socketpair()

    def open(self):
        with contextlib.suppress(OSError):
            self._outside.shutdown(socket.SHUT_RDWR)

    def wait(self, connection, timeout, *others):
        """Waits for other gates as well."""
        either = select.poll()
        for gate in (self, *others):
            either.register(gate._inside, select.POLLIN)
        either.register(connection, select.POLLRDHUP)
        either.poll(timeout * 1000)
