"""What the demonstrations have in common: the way to Prosody, an XMPP client, and how things are shown."""

import asyncio
import logging
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "spec" / "integration"))
# Without its part in C slixmpp says so as it is imported, which is no news to whoever watches.
logging.getLogger("slixmpp.stringprep").setLevel(logging.ERROR)

import slixmpp  # noqa: E402

from harness.user import connect_unencrypted  # noqa: E402
from harness.waiting import DEADLINE  # noqa: E402

HOST = "127.0.0.1"
PASSWORD = "wonderland"
NO_ANSWER = (slixmpp.exceptions.IqError, slixmpp.exceptions.IqTimeout)


class Client(slixmpp.ClientXMPP):
    """A client of a Prosody on this machine."""

    def __init__(self, jid):
        super().__init__(jid, PASSWORD)

    async def log_in(self, port):
        online = asyncio.ensure_future(self.wait_until("session_start", DEADLINE))
        connect_unencrypted(self, port)
        await online
        self.send_presence()


def show(title, text=""):
    indented = "\n".join("    " + line for line in text.expandtabs(4).splitlines())
    print(f"\n{title}" + (f"\n\n{indented}" if text else ""), flush=True)


def run(prosody, demonstrate, complaint):
    """Calls what demonstrates something on that Prosody, and returns the status to exit with; None if all was seen."""
    try:
        if demonstrate():
            return None
    except KeyboardInterrupt:
        print("\nStopping.")
        return 0
    print(f"\n{complaint} Prosody's log:\n{prosody.tail()}", file=sys.stderr)
    return 1


def end_with_signals():
    """Makes a demonstration that is ended from outside end what it has started too."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
