#!/usr/bin/env python3
"""One message from an XMPP client through Prosody into a web service, its answer back, and a push. Run: make demo

A Prosody of its own serves the account and the bot below, on loopback and in a temporary
directory. With --keep it goes on until Ctrl-C.
"""

import argparse
import asyncio
import json
import secrets
import shlex
import subprocess
import sys

import demonstration
from demonstration import HOST, PASSWORD, end_with_signals, run, show
from harness.config import component
from harness.prosody import Prosody, free_port
from harness.waiting import DEADLINE
from harness.web_service import WebService

ACCOUNT = "alice@localhost"
BOT_HOST = "bot.localhost"
BOT_JID = f"echo@{BOT_HOST}"
TEXT = "Hello, is anybody there? <3"
PUSHED = "I can speak first, too."


class Client(demonstration.Client):
    """Alice: sends to the bot and collects every message that comes back."""

    def __init__(self):
        super().__init__(ACCOUNT)
        self.received = asyncio.Queue()
        self.add_event_handler("message", self.received.put_nowait)

    def say(self, text):
        message = self.make_message(BOT_JID, text, mtype="chat")
        message.send()
        return message


async def exchange(client, bot):
    """Send one message, show what happens to it, and return whether the bot answered it."""
    show(f"{ACCOUNT} sends to {BOT_JID}:", str(client.say(TEXT)))
    reply = await asyncio.wait_for(client.received.get(), DEADLINE)
    for request, answer in zip(bot.requests(), bot.answers(), strict=True):
        show("The web service gets this POST:", indented(request))
        show("It answers with status 200 and this JSON:", indented(answer))
    show(f"{ACCOUNT} receives:", str(reply))
    return reply["type"] != "error" and reply["body"] == TEXT


async def push(client, port, token):
    """Let the service speak first, show it, and return whether that arrived."""
    curl = ["curl", "-H", f"Authorization: Bearer {token}", "-H", "Content-Type: text/plain",
            "--data-binary", PUSHED, f"http://{HOST}:{port}/component_http/to/{ACCOUNT}"]
    show("With a token the web service, or anybody who has it, speaks first:", shlex.join(curl))
    answer = await asyncio.to_thread(
        subprocess.run, [*curl, "--silent", "--show-error"], capture_output=True, text=True, timeout=DEADLINE)
    show("Prosody answers:", answer.stdout or answer.stderr)
    message = await asyncio.wait_for(client.received.get(), DEADLINE)
    show(f"{ACCOUNT} receives:", str(message))
    return message["body"] == PUSHED


def indented(text):
    return json.dumps(json.loads(text), indent=4)


async def keep(client, prosody, bot):
    """Leave everything running; print what the bot is sent and answers, and what comes; send what is typed."""
    show("Everything goes on running until Ctrl-C. Talk to it with any XMPP client:", "\n".join((
        f"server    {HOST}, port {prosody.c2s_port}, without encryption",
        f"account   {ACCOUNT}",
        f"password  {PASSWORD}",
        f"write to  {BOT_JID}, or any other name at {BOT_HOST}",
        f"log       {prosody.log_file}")))
    if sys.stdin.isatty():
        print("\nOr type here: each line becomes a message.", flush=True)
        asyncio.get_running_loop().add_reader(sys.stdin, read_line, client)
    following = asyncio.ensure_future(follow(bot))
    try:
        while True:
            reply = await client.received.get()
            said = reply["error"]["condition"] if reply["type"] == "error" else reply["body"]
            print(f"{reply['from']}: {said}", flush=True)
    finally:
        following.cancel()


async def follow(bot):
    """Print what the bot prints from now on."""
    seen = len(bot.output().splitlines())
    while True:
        await asyncio.sleep(0.1)
        for line in bot.output().splitlines()[seen:]:
            print(f"web service {line}", flush=True)
            seen += 1


def read_line(client):
    line = sys.stdin.readline()
    if not line:
        asyncio.get_running_loop().remove_reader(sys.stdin)
    elif line.strip():
        client.say(line.rstrip("\n"))


async def demonstrate(prosody, bot, http_port, token, keep_running):
    client = Client()
    try:
        await client.log_in(prosody.c2s_port)
        answered = await exchange(client, bot) and await push(client, http_port, token)
        if answered and keep_running:
            await keep(client, prosody, bot)
        return answered
    finally:
        await client.disconnect()


def answered_in_time(*arguments):
    try:
        return asyncio.run(demonstrate(*arguments))
    except TimeoutError:
        return False


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--keep", action="store_true", help="go on until Ctrl-C")
    keep_running = arguments.parse_args().keep
    end_with_signals()

    with WebService(sys.executable, "echo.py", "{port}") as bot:
        http_port, token = free_port(), secrets.token_hex(10)
        bot_host = component(BOT_HOST, component_post_url=bot.url, component_push_tokens=[token], http_host=HOST)
        http = {"http_ports": [http_port], "https_ports": [], "http_interfaces": [HOST]}
        show("A Prosody starts, with this component in its configuration:", bot_host.section())
        with Prosody([bot_host], accounts={ACCOUNT: PASSWORD}, options=http) as prosody:
            status = run(
                prosody, lambda: answered_in_time(prosody, bot, http_port, token, keep_running),
                "The bot's answer did not come.")
            if status is not None:
                return status
    if not keep_running:
        show("What next:", "\n".join((
            "make demo KEEP=1         leaves it running, for you to talk to",
            "examples/echo.py         is the web service; examples/README.markdown has it in other languages",
            "docs/install.markdown    says how the module gets into your Prosody",
            "/etc/prosody/conf.d/     takes the lines of configuration above, with your URL, as a file *.cfg.lua")))
    return 0


sys.exit(main())
