"""A service that speaks first: requests to Prosody's own HTTP server."""

import http.client
import json as codec
from dataclasses import dataclass

from .prosody import free_port
from .waiting import DEADLINE

TOKEN = "a-token-of-the-tests-0123456789"
JSON = "application/json"
PATH = "/component_http"


def options():
    """Of a Prosody whose HTTP server listens on one loopback port."""
    return {"http_ports": [free_port()], "https_ports": [], "http_interfaces": ["127.0.0.1"]}


def encoded(*stanzas):
    """The JSON of one object, or an array of several."""
    return codec.dumps(stanzas[0] if len(stanzas) == 1 else stanzas)


@dataclass(frozen=True)
class Answer:
    """What a request was answered."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return codec.loads(self.body)

    @property
    def ids(self):
        assert self.status == 202, self.body
        return self.json["ids"]


class Service:
    """A service with a connection of its own to the HTTP server at that port."""

    # What looks at every push and its answer: a test's description.Misfits.
    watch = None

    def __init__(self, port, host="bot.test", token=TOKEN, base=PATH, tls=None):
        self.port, self.host, self.token, self.base = port, host, token, base
        self.connection = (
            http.client.HTTPSConnection("127.0.0.1", port, timeout=DEADLINE, context=tls) if tls
            else http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE))

    def begin(self, body=b"", content_type=JSON, *, path="", method="POST", **headers):
        """Sends a request. Header names have underscores in place of hyphens; None leaves one out."""
        sent = {"Host": self.host, "Authorization": f"Bearer {self.token}", "Content-Type": content_type,
                **{name.replace("_", "-"): value for name, value in headers.items()}}
        octets = body.encode() if isinstance(body, str) else body
        self._begun = method, path, sent["Content-Type"], octets
        self.connection.request(method, self.base + path, octets,
                                {name: value for name, value in sent.items() if value is not None})

    def answer(self):
        """What the request that was begun is answered."""
        response = self.connection.getresponse()
        body = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, headers, body)
        if Service.watch:
            Service.watch.push(*self._begun, answer)
        return answer

    def request(self, body=b"", content_type=JSON, **arguments):
        self.begin(body, content_type, **arguments)
        return self.answer()

    def push(self, *stanzas, **arguments):
        """Pushes one object, or an array of several."""
        return self.request(encoded(*stanzas), **arguments)

    def close(self):
        self.connection.close()
