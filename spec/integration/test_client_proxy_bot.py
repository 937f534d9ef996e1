"""A chat bot that is an ordinary client, twice behind one address, as people see it: slixmpp on both sides.

The bot's account is on the proxy's server, or on another one.
"""

import asyncio
import contextlib

import pytest

from conftest import assert_no_tracebacks
from harness.chat_bot import LATER, ChatBot
from harness.config import component, virtual_host
from harness.federation import federation
from harness.prosody import Prosody
from harness.user import SlixmppUser

BOT = "bot@proxy.test"
PEOPLE = dict.fromkeys(["romeo@localhost", "juliet@localhost", "mercutio@localhost"], "secret")
ROMEO = "romeo@localhost"
EVENTS = ("receipt_received", "chatstate_composing", "message_correction", "marker_displayed",
          "presence_away")


class Place:
    """The server of the people and the proxy, and the one of the bots, which may be the same."""

    def __init__(self, near, far, service):
        self.near, self.far, self.service = near, far, service
        self._opened = []

    def log_in(self, jid):
        """Logs a person in."""
        return self._open(SlixmppUser(self.near.c2s_port, f"{jid}/orchard", "secret", ChatBot.PLUGINS, EVENTS))

    def bot(self, name):
        """Logs a bot in; returns once the proxy knows that there is one."""
        position = self.near.log_position()
        bot = self._open(ChatBot(self.far.c2s_port, f"{self.service}/{name}", "secret", ChatBot.PLUGINS, EVENTS))
        if sum(isinstance(user, ChatBot) for user in self._opened) == 1:
            self.near.wait_for_log(f"{self.service} is available", since=position)
        return bot

    def _open(self, user):
        self._opened.append(user.__enter__())
        return user

    def log_all_out(self):
        while self._opened:
            self._opened.pop().__exit__()

    def restart(self, *servers):
        for server in servers:
            assert server.stop() == 0
        for server in servers:
            server.start()


def proxy(service):
    return component("proxy.test", "client_proxy", target_address=service, proxy_strategy="sticky",
                     proxy_stanzas=["iq", "message", "presence"])


@contextlib.contextmanager
def one_server():
    service = "service@localhost"
    with Prosody([proxy(service)], accounts={service: "secret", **PEOPLE}) as prosody:
        yield Place(prosody, prosody, service)


@contextlib.contextmanager
def two_servers():
    service = "service@far.test"
    with federation(([proxy(service)], PEOPLE), ([virtual_host("far.test")], {service: "secret"})) as (near, far):
        yield Place(near, far, service)


@pytest.fixture(scope="module", params=[one_server, two_servers])
def running(request):
    with request.param() as place:
        yield place


@pytest.fixture
def place(running):
    positions = {server: server.log_position() for server in (running.near, running.far)}
    yield running
    running.log_all_out()
    for server, position in positions.items():
        assert_no_tracebacks(server, position)


def ask(user, text):
    user.call("send_message", BOT, text, mtype="chat")
    answer = user.wait_for("message", lambda message: message["body"].endswith(f": {text}"))
    assert answer["from"].full == BOT
    return answer["body"].partition(":")[0]


def test_each_person_talks_to_one_bot_and_goes_on_with_the_other(place):
    bots = {name: place.bot(name) for name in ("one", "two")}
    people = [place.log_in(jid) for jid in PEOPLE]
    partners = {person: ask(person, "hello") for person in people}
    for person, partner in partners.items():
        assert [ask(person, str(n)) for n in range(5)] == [partner] * 5
    lost = partners[people[0]]
    bots[lost].__exit__()
    remaining = ({"one", "two"} - {lost}).pop()
    assert {ask(person, "still there?") for person in people} == {remaining}


def test_what_belongs_to_a_chat_works_both_ways(place):
    bot, romeo = place.bot("one"), place.log_in(ROMEO)

    def sent(user, to, **children):
        message = user.client.make_message(to, mtype="chat")
        message["id"] = f"of-{user.client.boundjid.user}"
        for name, value in children.items():
            message[name] = value
        user.client.loop.call_soon_threadsafe(message.send)
        return message["id"]

    ask(romeo, "hello")
    address = bot.wait_for("message")["from"]
    for sender, to, reader, seen_as in ((romeo, BOT, bot, address), (bot, address, romeo, BOT)):
        sent(sender, to, chat_state="composing")
        assert reader.wait_for("chatstate_composing")["from"] == seen_as
        asked = sent(sender, to, body="hi", request_receipt=True)
        received = reader.wait_for("message", lambda message: message["body"] == "hi")
        assert received["id"] == asked
        # slixmpp gives the receipt by itself.
        assert sender.wait_for("receipt_received")["receipt"] == asked
        correction = sender.client.make_message(to, "hello!", mtype="chat")
        correction["replace"]["id"] = asked
        sender.client.loop.call_soon_threadsafe(correction.send)
        assert reader.wait_for("message_correction")["replace"]["id"] == asked
        marker = reader.client.make_message(received["from"], mtype="chat")
        marker["displayed"]["id"] = asked
        reader.client.loop.call_soon_threadsafe(marker.send)
        assert sender.wait_for("marker_displayed")["displayed"]["id"] == asked


def test_a_command_of_several_steps_in_a_chat(place):
    for name in ("one", "two"):
        place.bot(name)
    romeo = place.log_in(ROMEO)
    partner = ask(romeo, "hello")

    async def order():
        commands = romeo.client["xep_0050"]
        first = await commands.send_command(BOT, "order")
        form = romeo.client["xep_0004"].make_form("submit")
        form.add_field(var="answer", value="tea")
        session = first["command"]["sessionid"]
        last = await commands.send_command(BOT, "order", action="next", payload=form, sessionid=session)
        return last["command"]["form"]["title"]
    title = asyncio.run_coroutine_threadsafe(order(), romeo.client.loop).result(20)
    assert title == f"{partner}: tea"


def test_the_bot_s_presence_is_that_of_the_service(place):
    romeo = place.log_in(ROMEO)
    romeo.call("send_presence")
    romeo.call("get_roster")
    romeo.call("send_presence_subscription", pto=BOT)
    romeo.wait_for("presence_subscribed", lambda presence: presence["from"] == BOT)
    bot = place.bot("one")
    romeo.wait_for("presence_available", lambda presence: presence["from"] == BOT)
    bot.call("send_presence", pshow="away")
    romeo.wait_for("presence_away", lambda presence: presence["from"] == BOT)
    bot.call("send_presence", ptype="unavailable")
    romeo.wait_for("presence_unavailable", lambda presence: presence["from"] == BOT)


def asked_for_later(bot, user, text):
    """What reaches a bot of a question that it does not answer yet."""
    user.call("send_message", BOT, LATER + text, mtype="chat")
    return bot.wait_for("message", lambda message: message["body"] == LATER + text)


@pytest.mark.parametrize("running", [two_servers], indirect=True)
def test_an_answer_after_the_proxy_s_server_was_restarted(place):
    """Of which JID they have asked nothing is known then, so it is the host that answers until they write again."""
    bot, romeo = place.bot("one"), place.log_in(ROMEO)
    question = asked_for_later(bot, romeo, "before")
    position = place.near.log_position()
    place.restart(place.near)
    place.near.wait_for_log(f"{place.service} is available", since=position)
    romeo = place.log_in(ROMEO)
    romeo.call("send_presence")
    bot.call("send_message", question["from"], "here it is", mtype="chat")
    assert romeo.wait_for("message", lambda message: message["body"] == "here it is")["from"] == "proxy.test"
    assert ask(romeo, "and now?") == "one"
    bot.call("send_message", question["from"], "from now on", mtype="chat")
    assert romeo.wait_for("message", lambda message: message["body"] == "from now on")["from"] == BOT


def test_an_answer_after_both_servers_were_restarted(place):
    """The bot has logged in anew, under another name; that it has the address is enough."""
    bot, romeo = place.bot("one"), place.log_in(ROMEO)
    question = asked_for_later(bot, romeo, "before")
    place.log_all_out()
    place.restart(*{place.near, place.far})
    bot, romeo = place.bot("two"), place.log_in(ROMEO)
    romeo.call("send_presence")
    bot.call("send_message", question["from"], "here it is", mtype="chat")
    assert romeo.wait_for("message", lambda message: message["body"] == "here it is")["from"] == "proxy.test"
    assert asked_for_later(bot, romeo, "again")["from"] == question["from"], "and is the same still"
