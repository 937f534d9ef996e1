"""Prosody's admin shell, spoken to directly (one round trip, no prosodyctl to start).

Over its unix socket where Prosody has mod_admin_socket, else with mod_admin_telnet.
"""

import socket
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

from .waiting import DEADLINE

STREAM_HEADER = (
    "<stream:stream xmlns='xmpp:prosody.im/admin' version='1.0' "
    "xmlns:stream='http://etherx.jabber.org/streams'>")


class ShellError(Exception):
    """Happens when Prosody refuses a command or it fails."""


class AdminShell:
    """One session of the shell."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE)
        self._socket.connect(str(path))
        self._parser = ElementTree.XMLPullParser(["end"])
        self._socket.sendall(STREAM_HEADER.encode())

    def run(self, command):
        """Runs one line; returns its printed output and result, or raises ShellError."""
        self._socket.sendall(f"<repl-input>{escape(command)}</repl-input>".encode())
        printed = []
        while True:
            for _, element in self._parser.read_events():
                name = element.tag.rpartition("}")[2]
                if name == "repl-output":
                    printed.append(element.text or "")
                elif name == "repl-result":
                    text = "\n".join([*printed, element.text or ""])
                    if element.get("type") == "error":
                        raise ShellError(text)
                    return text
            received = self._socket.recv(65536)
            if not received:
                raise ShellError("the admin socket closed")
            self._parser.feed(received)

    def close(self):
        self._socket.close()


class AdminTelnet:
    """One session of the console that Prosody has on a TCP port up to 0.11."""

    FAILURES = ("Fatal error", "Command completed with a problem", "Sorry, ")

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self._socket.settimeout(DEADLINE)
        self._received = b""
        self._answer()

    def run(self, command):
        """Runs one line; returns its printed output and result, or raises ShellError."""
        self._socket.sendall(f"{command}\n".encode())
        answer = self._answer()
        if any(f"| {failure}" in answer for failure in self.FAILURES):
            raise ShellError(answer)
        return answer

    def _answer(self):
        # Every answer, the banner included, ends with a zero byte.
        while b"\0" not in self._received:
            received = self._socket.recv(65536)
            if not received:
                raise ShellError("the console closed")
            self._received += received
        answer, _, self._received = self._received.partition(b"\0")
        return answer.decode(errors="replace")

    def close(self):
        self._socket.close()
