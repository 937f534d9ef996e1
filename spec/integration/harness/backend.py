"""An HTTP server on raw sockets whose every byte a test decides; it records what it was asked."""

import contextlib
import itertools
import socket
import threading
import urllib.parse

from .exchange import Exchange, Gate, Request
from .waiting import DEADLINE, wait_until


class Endpoint:
    """One path of a backend: how it behaves now, and the requests that it got."""

    def __init__(self, backend, path):
        self.path = path
        self.url = backend.url + path
        self._condition = threading.Condition()
        self._released = Gate()
        self.start_afresh()

    def start_afresh(self, behaviour=None):
        """Forgets requests, lets everything held go, and sets the behaviour (None: accept without reply)."""
        with self._condition:
            self.release()
            self._released = Gate()
            self._requests, self._behaviour = [], behaviour or accept
            self.in_flight = 0

    def behave(self, behaviour):
        with self._condition:
            self._behaviour = behaviour

    def release(self):
        """Lets every exchange that hangs go on, and those to come."""
        self._released.open()

    def hold(self, connection, *gates):
        self._released.wait(connection, 3 * DEADLINE, *gates)

    @property
    def requests(self):
        with self._condition:
            return list(self._requests)

    def wait_for_requests(self, count, deadline=DEADLINE):
        """The requests so far, once there are at least that many."""
        with self._condition:
            if not self._condition.wait_for(lambda: len(self._requests) >= count, deadline):
                raise AssertionError(f"{len(self._requests)} of {count} requests within {deadline:g} s")
            return list(self._requests)

    def most_at_once(self):
        """How many requests at most were there at the same time without a first octet of their response."""
        arrivals = [(request.arrived, 1) for request in self.requests]
        answers = [(request.answered, -1) for request in self.requests if request.answered]
        at_once = list(itertools.accumulate(step for _, step in sorted(arrivals + answers)))
        return max(at_once, default=0)

    def wait_until_idle(self):
        wait_until(lambda: self.in_flight == 0, lambda: f"{self.in_flight} exchanges concluded")

    def serve(self, exchange):
        with self._condition:
            requests, behaviour = self._requests, self._behaviour
            requests.append(exchange.request)
            self.in_flight += 1
            self._condition.notify_all()
        try:
            behaviour(exchange)
        finally:
            exchange.end()
            with self._condition:
                if requests is self._requests:
                    self.in_flight -= 1
                self._condition.notify_all()


def accept(exchange):
    exchange.send(b"HTTP/1.1 204 No Content\r\n\r\n")


class Backend:
    """A server on a free loopback port, plain or with a TLS context.

    `on_connection`, when set, gets every accepted socket with its number before a byte is read, and may
    use it up: the connection is served only if that returns true.
    """

    # What looks at the JSON of every request and response: a test's description.Misfits.
    watch = None

    def __init__(self, tls=None, on_connection=None, host="127.0.0.1", port=0):
        self._tls, self._on_connection = tls, on_connection
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._endpoints, self._lock = {}, threading.Lock()
        self._connections, self._numbers = {}, itertools.count(1)
        self.connection_count = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # shutdown wakes the accepting thread, close alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for endpoint in list(self._endpoints.values()):
            endpoint.release()
        self.close_connections()

    def endpoint(self, path):
        with self._lock:
            path = urllib.parse.urlsplit(path).path
            return self._endpoints.setdefault(path, Endpoint(self, path))

    def close_connections(self):
        """Closes every connection, idle ones above all, as a server does that is restarted."""
        with self._lock:
            connections = list(self._connections.values())
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait_until_closed(self, *numbers):
        """Waits until those connections are closed on this side; without arguments, until all are."""
        def still_open():
            with self._lock:
                return set(self._connections) & set(numbers) if numbers else set(self._connections)
        wait_until(lambda: not still_open(), lambda: f"closing of connections {still_open()}")

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            number = next(self._numbers)
            self.connection_count = number
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection, number):
        try:
            if self._on_connection and not self._on_connection(connection, number):
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._lock:
                self._connections[number] = connection
            self._converse(connection, number)
        except (OSError, ValueError):
            # The tests provoke broken connections on both sides; what matters is what was recorded.
            pass
        finally:
            connection.close()
            with self._lock:
                self._connections.pop(number, None)

    def _converse(self, connection, number):
        buffered = b""
        for ordinal in itertools.count(1):
            while b"\r\n\r\n" not in buffered:
                received = connection.recv(65536)
                if not received:
                    return
                buffered += received
            head, _, buffered = buffered.partition(b"\r\n\r\n")
            request = Request(head, b"", number, ordinal)
            length = int(request.header("content-length") or 0)
            while len(buffered) < length:
                received = connection.recv(1 << 20)
                if not received:
                    return
                buffered += received
            request.body, buffered = buffered[:length], buffered[length:]
            watch = Backend.watch
            if watch and request.method == "POST":
                watch.webhook_request(request.body)
            exchange = Exchange(request, connection, self.endpoint(request.path), watch)
            self.endpoint(request.path).serve(exchange)
            if not exchange.keep_open:
                return
