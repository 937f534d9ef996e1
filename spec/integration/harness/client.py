"""XMPP streams on plain sockets: a user's c2s session, and a XEP-0114 component that speaks as any JID at its host."""

import base64
import contextlib
import hashlib
import itertools
import queue
import socket
import threading
import xml.etree.ElementTree as ElementTree

from . import stanza as stanzas
from .inbox import Inbox, StreamClosed
from .stanza import Stanza
from .waiting import DEADLINE

STREAMS = "http://etherx.jabber.org/streams"
KINDS = ("message", "presence", "iq")


class XmppStream:
    """A stream with a thread that reads it; `stanza_received` gets every stanza, `control` everything else."""

    def __init__(self, port, namespace, domain):
        self._namespace, self._domain = namespace, domain
        self._control = queue.Queue()
        self._write_lock = threading.Lock()
        self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.closed = threading.Event()
        self._restart()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _restart(self):
        self._depth, self._root = 0, None
        self._parser = ElementTree.XMLPullParser(["start", "end"])
        self.send(
            f"<?xml version='1.0'?><stream:stream xmlns='{self._namespace}' to='{self._domain}' "
            f"xmlns:stream='{STREAMS}' version='1.0'>")

    def send(self, xml):
        with self._write_lock:
            self._socket.sendall(xml.encode() if isinstance(xml, str) else xml)

    def _read(self):
        try:
            pending = b""
            while received := self._socket.recv(262144):
                # An expat with "reparse deferral" sits on a tag that came in pieces until much more data follows.
                pending += received
                if not pending.endswith((b">", b" ")):
                    continue
                parser, complete, pending = self._parser, pending, b""
                parser.feed(complete)
                for event, element in parser.read_events():
                    self._element(event, element)
        except OSError:
            pass
        finally:
            self.closed.set()
            self._control.put(None)
            self._ended()

    def _element(self, event, element):
        if event == "start":
            self._depth += 1
            if self._depth == 1:
                self._root = element
                self._control.put(element)
            return
        self._depth -= 1
        if self._depth == 0:
            self._finish()
        elif self._depth == 1:
            self._root.remove(element)
            name = element.tag.rpartition("}")[2]
            if name in KINDS:
                self.stanza_received(Stanza(element))
            else:
                self._on_control(element)

    def _on_control(self, element):
        self._control.put(element)

    def _finish(self):
        """The other side closed its stream: answer in kind, or it waits for that."""
        with contextlib.suppress(OSError):
            self.send("</stream:stream>")

    def expect(self, name):
        """The next stream-level element, which has to have that local name."""
        while True:
            element = self._control.get(timeout=DEADLINE)
            if element is None:
                raise StreamClosed(f"while waiting for {name}")
            found = element.tag.rpartition("}")[2]
            if found == name:
                return element
            if found in ("error", "failure"):
                raise StreamClosed(ElementTree.tostring(element, encoding="unicode"))

    def stanza_received(self, stanza):
        raise NotImplementedError

    def _ended(self):
        raise NotImplementedError

    def push(self):
        """Makes the server's expat parse long tags that it holds back until more data comes."""
        self.send(b" " * 16384)

    def close(self):
        try:
            self.send("</stream:stream>")
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self._reader.join(DEADLINE)
        self._socket.close()


class User(XmppStream):
    """A logged-in user: SASL PLAIN and resource binding; everything that comes lands in `inbox`."""

    def __init__(self, port, jid, password, resource="test"):
        self.inbox = Inbox()
        node, domain = jid.split("@")
        super().__init__(port, stanzas.CLIENT, domain)
        self.expect("features")
        secret = base64.b64encode(f"\0{node}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>")
        self.expect("success")
        self.expect("features")
        self.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                  f"<resource>{resource}</resource></bind></iq>")
        bound = self.receive()
        self.jid = bound.element.findtext(".//{urn:ietf:params:xml:ns:xmpp-bind}jid")

    def _on_control(self, element):
        # The stream starts again after SASL; the parser has to be new before anything follows.
        if element.tag.endswith("}success"):
            self._restart()
        super()._on_control(element)

    def stanza_received(self, stanza):
        self.inbox.put(stanza)

    def _ended(self):
        self.inbox.put(None)

    def receive(self, deadline=DEADLINE):
        return self.inbox.receive(deadline)

    def receive_kind(self, kind):
        return self.inbox.receive_kind(kind)

    def message(self, to, content, **attributes):
        self.send(stanzas.build("message", content, to=to, **attributes))

    def iq(self, to, content, id, type="get"):
        self.send(stanzas.build("iq", content, to=to, id=id, type=type))


class Component(XmppStream):
    """A XEP-0114 component. Stanzas go to the inbox of the peer whose JID they are addressed to."""

    def __init__(self, port, domain, secret):
        self.domain = domain
        self._inboxes = {}
        self._default = Inbox()
        self._numbers = itertools.count(1)
        super().__init__(port, stanzas.COMPONENT, domain)
        stream_id = self.expect("stream").get("id")
        token = hashlib.sha1((stream_id + secret).encode()).hexdigest()
        self.send(f"<handshake>{token}</handshake>")
        self.expect("handshake")

    def peer(self, jid=None):
        """A JID at this component to speak as; without an argument one that nobody used before."""
        peer = Peer(self, jid or f"peer{next(self._numbers)}@{self.domain}/desk")
        self._inboxes[peer.jid] = peer.inbox
        self._inboxes.setdefault(peer.jid.split("/")[0], peer.inbox)
        return peer

    @property
    def unclaimed(self):
        """Stanzas for JIDs that are no peer's."""
        return self._default

    def stanza_received(self, stanza):
        self._inboxes.get(stanza.to, self._default).put(stanza)

    def _ended(self):
        for inbox in {id(inbox): inbox for inbox in [self._default, *self._inboxes.values()]}.values():
            inbox.put(None)


class Peer:
    """One JID of a component and what is sent to it (or to its bare JID)."""

    def __init__(self, component, jid):
        self._component, self.jid = component, jid
        self.inbox = Inbox()
        self._ids = itertools.count(1)

    @property
    def bare(self):
        return self.jid.split("/")[0]

    def fresh_id(self):
        return f"{self.jid.split('@')[0][:40]}-{next(self._ids)}"

    def send(self, kind, content="", **attributes):
        """Sends a stanza from this JID with a fresh id unless one is given; returns the id."""
        attributes.setdefault("id", self.fresh_id())
        self._component.send(stanzas.build(kind, content, from_=attributes.pop("from_", self.jid), **attributes))
        return attributes["id"]

    def say(self, to, text="hello", type="chat", **attributes):
        return self.send("message", stanzas.body(text), to=to, type=type, **attributes)

    def iq(self, to, content="<query xmlns='urn:example:question'/>", type="get", **attributes):
        return self.send("iq", content, to=to, type=type, **attributes)

    def presence(self, to, type=None, content="", **attributes):
        return self.send("presence", content, to=to, type=type, **attributes)

    def receive(self, deadline=DEADLINE):
        return self.inbox.receive(deadline)

    def receive_kind(self, kind):
        return self.inbox.receive_kind(kind)
