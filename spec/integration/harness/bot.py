"""A mod_component_http host together with the backend path that it POSTs to."""

import itertools

from . import behaviours, config
from .waiting import wait_until

SENTINEL = "sentinel "


def component(backend, host="bot.test", /, query="", **options):
    """The configuration of a host whose backend path is its own name."""
    return config.component(host, component_post_url=f"{backend.url}/{host}{query}", **options)


class Bot:
    """What a test says about one such host: how its backend behaves, and what it was asked.

    Messages whose body begins with SENTINEL are always echoed and do not count as requests.
    """

    def __init__(self, backend, host="bot.test"):
        self.host = host
        self.jid = f"bot@{host}"
        self.source = f"{host}:component_http"
        self.endpoint = backend.endpoint("/" + host)
        self._numbers = itertools.count(1)
        self.start_afresh()

    def start_afresh(self):
        self.endpoint.start_afresh(_with_sentinel(behaviours.respond(204)))

    def behave(self, behaviour):
        self.endpoint.behave(_with_sentinel(behaviour))

    def release(self):
        self.endpoint.release()

    @property
    def requests(self):
        return [request for request in self.endpoint.requests if not _is_sentinel(request)]

    def wait_for_requests(self, count):
        """The requests so far, once there are at least that many."""
        wait_until(lambda: len(self.requests) >= count, lambda: f"{count} requests, only {len(self.requests)}")
        return self.requests

    def request(self):
        """The only request."""
        requests = self.wait_for_requests(1)
        assert len(requests) == 1
        return requests[0]

    def everything_for(self, peer, to=None):
        """All that the peer has got by the time that a further message of that conversation is answered."""
        text = f"{SENTINEL}{next(self._numbers)}"
        asked = peer.say(to or self.jid, text)
        received = []
        while (stanza := peer.receive()).body != text:
            assert stanza.id != asked, f"the further message was bounced: {stanza.error}"
            received.append(stanza)
        return received

    def complaint(self, prosody, since, pattern=""):
        """The log's entry on a failure since that position.

        The same trouble is a warning once a minute, so that a service that is down does not fill the disk;
        in between it is a debug line.
        """
        line = prosody.wait_for_log(rf"^\w+ from .*: .*{pattern}", source=self.source, since=since)
        trouble = line.text.split(": ", 1)[1]
        assert any(told.level == "warn" and told.source == self.source and trouble in told.text
                   for told in prosody.log()), f"never told as a warning: {line}"
        return line


def _is_sentinel(request):
    try:
        return str(request.json.get("body", "")).startswith(SENTINEL)
    except (ValueError, AttributeError):
        return False


def _with_sentinel(behaviour):
    def choose(exchange):
        (behaviours.echo if _is_sentinel(exchange.request) else behaviour)(exchange)
    return choose
