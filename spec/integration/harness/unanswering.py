"""An address on loopback at which nobody answers: connections there are being opened until somebody gives up."""

import contextlib
import pathlib
import socket

from .waiting import wait_until

SYN_SENT = "02"


class Unanswering:
    """A context manager: a listening socket whose queue is full, so that the kernel drops what asks for more."""

    def __enter__(self):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._fillers = []
        # The queue takes one more than it was told; what comes beyond that is never let in.
        while self.opening() == 0:
            filler = socket.socket()
            self._fillers.append(filler)
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.1", self.port))
        self._own = self.opening()
        return self

    def __exit__(self, *_):
        for filler in self._fillers:
            filler.close()
        self._listener.close()

    def opening(self):
        """How many connections are being opened to it: proc(5), /proc/net/tcp."""
        remote = f"0100007F:{self.port:04X}"
        lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
        return sum(line.split()[2:4] == [remote, SYN_SENT] for line in lines)

    def wait_for_connections(self, count):
        """Waits until so many connections of others are being opened, no more and no less."""
        wait_until(lambda: self.opening() - self._own == count,
                   lambda: f"{count} connections being opened, not {self.opening() - self._own}")
