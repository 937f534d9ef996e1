"""A user with slixmpp, a client library that people really use, in its own thread and event loop."""

import asyncio
import collections
import threading

import slixmpp

from .waiting import DEADLINE, wait_until


def connect_unencrypted(client, port):
    """Has a slixmpp client connect to a Prosody on this machine; nothing of it leaves the machine."""
    client["feature_mechanisms"].unencrypted_plain = True
    if hasattr(client, "enable_plaintext"):  # slixmpp 1.9 and later
        client.enable_starttls, client.enable_plaintext = False, True
        client.connect("127.0.0.1", port)
    else:
        client.connect(("127.0.0.1", port), disable_starttls=True, force_starttls=False)


class SlixmppUser:
    """A context manager: logged in on entry, logged out on exit. Stanzas are kept by the event that told of them."""

    EVENTS = ("message", "groupchat_message", "presence_available", "presence_unavailable", "presence_subscribed",
              "presence_subscribe", "presence_error")

    def __init__(self, port, jid, password, plugins=(), events=()):
        self._events = (*self.EVENTS, *events)
        self._port, self._jid, self._password, self._plugins = port, jid, password, plugins
        self._received = collections.defaultdict(list)
        self._ready = threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        if not self._ready.wait(DEADLINE):
            raise AssertionError(f"{self._jid} did not get in")
        return self

    def __exit__(self, *_):
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.client.disconnect)
        self._thread.join(DEADLINE)

    def _run(self):
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self.client = slixmpp.ClientXMPP(self._jid, self._password)
        for plugin in self._plugins:
            self.client.register_plugin(plugin)
        for event in self._events:
            self.client.add_event_handler(event, self._received[event].append)
        self.client.add_event_handler("session_start", lambda _: self._ready.set())
        connect_unencrypted(self.client, self._port)
        self._loop.run_until_complete(self.client.disconnected)
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    @property
    def jid(self):
        return self.client.boundjid.full

    def call(self, method, *arguments, **named):
        """Calls a method of the slixmpp client on its own thread and returns the outcome."""
        return self.run(lambda client: getattr(client, method)(*arguments, **named))

    def run(self, act):
        """Calls a function with the slixmpp client on its own thread and returns the outcome."""
        async def invoke():
            outcome = act(self.client)
            return await outcome if asyncio.isfuture(outcome) or asyncio.iscoroutine(outcome) else outcome
        return asyncio.run_coroutine_threadsafe(invoke(), self._loop).result(DEADLINE)

    def wait_for(self, event, condition=lambda stanza: True):
        """Takes the first stanza of that event that fulfils the condition."""
        def find():
            for stanza in list(self._received[event]):
                if condition(stanza):
                    self._received[event].remove(stanza)
                    return stanza
            return None
        return wait_until(find, lambda: f"{event} among {dict(self._received)}")

    def wait_for_roster(self, contact, subscription):
        roster = self.call("get_roster")["roster"]["items"]

        def item():
            nonlocal roster
            found = roster.get(slixmpp.JID(contact))
            if found and found["subscription"] == subscription:
                return found
            roster = self.call("get_roster")["roster"]["items"]
            return None
        return wait_until(item, lambda: f"{contact} with subscription {subscription}")
