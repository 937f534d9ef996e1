"""A web service as a process of its own on a free loopback port, such as the bots in examples/."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import tempfile

from .installation import REPOSITORY
from .prosody import free_port
from .waiting import DEADLINE, wait_until


class WebService:
    """A context manager: `with WebService("node", "echo.js", "{port}") as service`, run inside examples/.

    What stands for the port in the command is replaced by a free one. `environment` is added to the process's.
    """

    # What looks at the JSON that it has printed: a test's description.Misfits.
    watch = None

    def __init__(self, *command, environment=None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._environment = {**os.environ, **(environment or {})}
        self._command = [argument.format(port=self.port) for argument in command]

    def __enter__(self):
        self._output = tempfile.NamedTemporaryFile(prefix="web-service-")
        # In a session of its own, Ctrl-C reaches only whoever stops it then.
        self._process = subprocess.Popen(
            self._command, cwd=REPOSITORY / "examples", env=self._environment, stdin=subprocess.DEVNULL,
            stdout=self._output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            wait_until(self._listens, lambda: f"{self._command} listening\n{self.output()}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _listens(self):
        if self._process.poll() is not None:
            raise AssertionError(f"{self._command} ended with {self._process.returncode}\n{self.output()}")
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port), DEADLINE).close()
            return True
        return False

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(DEADLINE)
        self._output.close()

    def output(self):
        """What it has printed so far."""
        return pathlib.Path(self._output.name).read_text(encoding="utf-8", errors="replace")

    def requests(self):
        """The JSON of the requests that it has printed so far."""
        requests = self._printed("received ")
        for request in requests if self.watch else ():
            self.watch.webhook_request(request)
        return requests

    def answers(self):
        """The JSON of the answers that it has printed so far."""
        answers = self._printed("answered ")
        for answer in answers if self.watch else ():
            self.watch.webhook_reply(answer)
        return answers

    def _printed(self, verb):
        return [line.removeprefix(verb) for line in self.output().splitlines() if line.startswith(verb)]
