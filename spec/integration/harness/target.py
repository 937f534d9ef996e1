"""The clients of the account that a proxy stands for: they serve the requests, as the test tells them to."""

import itertools
import queue
import socket

from . import stanza as stanzas
from .client import Inbox, User
from .waiting import DEADLINE

PASSWORD = "secret"
PING = "<ping xmlns='urn:xmpp:ping'/>"


class TargetClient(User):
    """One resource of the target. Requests come to `requests`, presence to `presences`, the rest to `inbox`.

    It grants every subscription, unless `grants` is false; `answer_all` makes it answer by itself.
    """

    _numbers = itertools.count(1)

    def __init__(self, prosody, jid, resource, presence="", grants=True):
        self.requests, self.presences = Inbox(), Inbox()
        self.grants = grants
        self._answers = None
        self._own = queue.Queue()
        super().__init__(prosody.c2s_port, jid, PASSWORD, resource)
        self._ask("", "<query xmlns='jabber:iq:roster'/>")
        if presence is not None:
            self.presence(presence)

    def stanza_received(self, stanza):
        if stanza.kind == "presence":
            self._presence_received(stanza)
        elif stanza.kind == "iq" and (stanza.id or "").startswith("own-"):
            self._own.put(stanza)
        elif stanza.kind == "iq" and stanza.child("{jabber:iq:roster}query") is not None:
            self.answer(stanza)
        elif stanza.kind == "iq" and stanza.type in ("get", "set"):
            self.requests.put(stanza)
            if self._answers is not None:
                self.answer(stanza, self._answers)
        else:
            super().stanza_received(stanza)

    def _presence_received(self, stanza):
        if stanza.type == "subscribe" and self.grants:
            self.send(stanzas.build("presence", to=stanza.sender, type="subscribed"))
        self.presences.put(stanza)

    def _ended(self):
        super()._ended()
        self.requests.put(None)
        self.presences.put(None)

    def presence(self, content="", **attributes):
        """Sends presence and waits until Prosody has handled it."""
        self.send(stanzas.build("presence", content, **attributes))
        self.synchronise()

    def synchronise(self):
        """Returns when Prosody has handled everything that was sent before."""
        self._ask("localhost", PING)

    def _ask(self, to, content):
        id = f"own-{next(self._numbers)}"
        self.iq(to or None, content, id)
        assert self._own.get(timeout=DEADLINE).id == id

    def request(self):
        """The next request."""
        return self.requests.receive()

    def answer(self, request, content="", type="result", **attributes):
        """Answers a request, with other attributes where they are given."""
        self.send(stanzas.build("iq", content, **{"to": request.sender, "id": request.id, "type": type, **attributes}))

    def answer_all(self, content=""):
        """From now on every request is answered at once."""
        self._answers = content

    def take_presence(self, sender, type):
        """The next presence of that type from there."""
        while True:
            stanza = self.presences.receive()
            if (stanza.sender, stanza.type) == (sender, type):
                return stanza

    def hold(self):
        """From now on the test answers; forgets the requests that were answered so far."""
        self._answers = None
        self.synchronise()
        self.requests.waiting()

    def disconnect(self):
        """Breaks the connection without a word."""
        self._socket.shutdown(socket.SHUT_RDWR)

    def leave(self):
        """Logs out, and returns when Prosody has handled that."""
        self.close()
        assert self.closed.wait(DEADLINE)
