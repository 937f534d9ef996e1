"""A Prosody of a test's own, for tests of starting, reloading and ending."""

from . import behaviours
from .bot import Bot
from .client import Component, User
from .prosody import COMPONENT_SECRET

ALICE = "alice@localhost"
ACCOUNTS = {ALICE: "secret"}


class Served:
    """The Prosody, a component to speak through, and the bot at bot.test."""

    def __init__(self, prosody, backend):
        self.prosody = prosody
        self.component = Component(prosody.component_port, "peers.test", COMPONENT_SECRET)
        self.bot = Bot(backend)

    def peer(self):
        return self.component.peer()

    def alice(self):
        return User(self.prosody.c2s_port, ALICE, ACCOUNTS[ALICE])

    def echoes(self, text="hello"):
        """Whether a message and its answer make their way."""
        peer = self.peer()
        self.bot.behave(behaviours.echo)
        peer.say(self.bot.jid, text)
        return peer.receive().body == text

    def until_pong(self):
        """Returns when Prosody has handled everything that was sent through the component before."""
        peer = self.peer()
        peer.iq("bot.test", "<ping xmlns='urn:xmpp:ping'/>")
        assert peer.receive().type == "result"
