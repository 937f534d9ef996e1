#!/usr/bin/env python3
"""Two clients of one account serve as a component and talk to people, then one of them leaves. Run: make demo-proxy

A Prosody of its own serves the accounts and the component, on loopback and in a temporary directory.
"""

import asyncio
import collections
import sys
import time

from demonstration import NO_ANSWER, PASSWORD, Client, end_with_signals, run, show
from harness.config import component
from harness.prosody import Prosody
from harness.waiting import DEADLINE

ALICE, *_ = PEOPLE = "alice@localhost", "bob@localhost", "carol@localhost"
SERVICE, PROXY, BOT = "service@localhost", "proxy.localhost", "bot@proxy.localhost"
QUESTIONS = 10


class Service(Client):
    """A client of the service's account: it lets the proxy see its presence, answers XEP-0092, and chats."""

    def __init__(self, resource):
        super().__init__(f"{SERVICE}/{resource}")
        self.register_plugin("xep_0092", {"software_name": "demonstration", "version": "1", "os": resource})
        self.add_event_handler("message", self.answer)

    def answer(self, message):
        message.reply(f"{message['body']} to you, says {self.boundjid.resource}").send()

    async def log_in(self, port):
        await super().log_in(port)
        await self.get_roster()  # answered when the presence sent before it has been handled


class Person(Client):
    """Asks the proxy for its version, and talks to the bot behind it."""

    def __init__(self, jid):
        super().__init__(jid)
        self.register_plugin("xep_0092")

    async def say(self, text):
        """Prints what the bot answers, and returns which of the clients that was."""
        answered = asyncio.ensure_future(self.wait_until("message", DEADLINE))
        self.send_message(BOT, text, mtype="chat")
        answer = await answered
        print(f"    {self.boundjid.user:>6}  {text:14} {answer['from']}: {answer['body']}", flush=True)
        return answer["body"].rpartition(" ")[2]

    async def ask(self, times):
        """Prints the answers, and returns how many came from each resource."""
        answered = collections.Counter()
        for number in range(1, times + 1):
            asked = time.monotonic()
            try:
                answer = await self["xep_0092"].get_version(PROXY, timeout=DEADLINE)
            except NO_ANSWER as error:
                print(f"    {number:2}  no answer: {error}", flush=True)
                continue
            milliseconds = 1000 * (time.monotonic() - asked)
            resource = answer["software_version"]["os"]
            answered[resource] += 1
            print(f"    {number:2}  from {answer['from']}, made by the client '{resource}' in {milliseconds:.1f} ms",
                  flush=True)
        return answered


async def talk(people, *texts):
    """Everybody says everything; returns who talked to which client."""
    return [{await person.say(text) for text in texts} for person in people]


async def demonstrate(prosody):
    one, _, *people = clients = Service("one"), Service("two"), *(Person(jid) for jid in PEOPLE)
    alice = people[0]
    try:
        for client in clients:
            await client.log_in(prosody.c2s_port)
        await asyncio.to_thread(prosody.wait_for_log, f"{SERVICE} is available")
        show(f"Two clients of {SERVICE} are online. {ALICE} asks {PROXY} for its version, {QUESTIONS} times:\n")
        both = await alice.ask(QUESTIONS)
        show(f"Three people talk to {BOT}, each of them to one of the clients:\n")
        before = await talk(people, "Good morning", "Good day")
        await one.disconnect()
        show(f"The client 'one' has logged out. {QUESTIONS} questions more:\n")
        remaining = await alice.ask(QUESTIONS)
        show("And the conversations go on with the client 'two':\n")
        after = await talk(people, "Good evening")
        return (sum(both.values()) == QUESTIONS and remaining == {"two": QUESTIONS}
                and all(len(partners) == 1 for partners in before) and after == [{"two"}] * len(people))
    finally:
        for client in clients:
            await client.disconnect()


def main():
    end_with_signals()
    proxy = component(PROXY, "client_proxy", target_address=SERVICE, proxy_strategy="round-robin",
                      proxy_stanzas=["iq", "message", "presence"])
    show("A Prosody starts, with this component in its configuration:", proxy.section())
    with Prosody([proxy], accounts=dict.fromkeys([*PEOPLE, SERVICE], PASSWORD)) as prosody:
        status = run(prosody, lambda: asyncio.run(demonstrate(prosody)), "Some answers did not come.")
        if status is not None:
            return status
    show("What next:", "\n".join((
        "docs/install.markdown    says how the module gets into your Prosody",
        "/etc/prosody/conf.d/     takes the lines of configuration above, with your account, as a file *.cfg.lua",
        "your account             has to grant the subscription that the component asks for")))
    return 0


sys.exit(main())
