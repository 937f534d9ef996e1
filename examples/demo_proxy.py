#!/usr/bin/env python3
"""Two clients of one account serve as a component, then one of them leaves. Run: make demo-proxy

A Prosody of its own serves the accounts and the component, on loopback and in a temporary directory.
"""

import asyncio
import collections
import sys
import time

from demonstration import NO_ANSWER, PASSWORD, Client, end_with_signals, show
from harness.config import component
from harness.prosody import Prosody
from harness.waiting import DEADLINE

ALICE, SERVICE = "alice@localhost", "service@localhost"
PROXY = "proxy.localhost"
QUESTIONS = 10


class Service(Client):
    """A client of the service's account: it lets the proxy see its presence, and answers XEP-0092."""

    def __init__(self, resource):
        super().__init__(f"{SERVICE}/{resource}")
        self.register_plugin("xep_0092", {"software_name": "demonstration", "version": "1", "os": resource})

    async def log_in(self, port):
        await super().log_in(port)
        await self.get_roster()  # answered when the presence sent before it has been handled


class Alice(Client):
    """Asks the proxy for its version."""

    def __init__(self):
        super().__init__(ALICE)
        self.register_plugin("xep_0092")

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


async def demonstrate(prosody):
    one, _, alice = clients = Service("one"), Service("two"), Alice()
    try:
        for client in clients:
            await client.log_in(prosody.c2s_port)
        await asyncio.to_thread(prosody.wait_for_log, f"{SERVICE} is available")
        show(f"Two clients of {SERVICE} are online. {ALICE} asks {PROXY} for its version, {QUESTIONS} times:\n")
        both = await alice.ask(QUESTIONS)
        await one.disconnect()
        show(f"The client 'one' has logged out. {QUESTIONS} more:\n")
        remaining = await alice.ask(QUESTIONS)
        return sum(both.values()) == QUESTIONS and remaining == {"two": QUESTIONS}
    finally:
        for client in clients:
            await client.disconnect()


def main():
    end_with_signals()
    proxy = component(PROXY, "client_proxy", target_address=SERVICE)
    show("A Prosody starts, with this component in its configuration:", proxy.section())
    with Prosody([proxy], accounts={ALICE: PASSWORD, SERVICE: PASSWORD}) as prosody:
        try:
            answered = asyncio.run(demonstrate(prosody))
        except KeyboardInterrupt:
            print("\nStopping.")
            return 0
        if not answered:
            print(f"\nSome answers did not come. Prosody's log:\n{prosody.tail()}", file=sys.stderr)
            return 1
    show("What next:", "\n".join((
        "docs/install.markdown    says how the module gets into your Prosody",
        "/etc/prosody/conf.d/     takes the two lines of configuration above, with your account, as a file *.cfg.lua",
        "your account             has to grant the subscription that the component asks for")))
    return 0


sys.exit(main())
