"""A chat bot that is an ordinary client, twice behind one address, as people see it: slixmpp on both sides."""

import asyncio

import pytest

from harness.config import component
from harness.user import SlixmppUser

SERVICE, BOT = "service@localhost", "bot@proxy.test"
PEOPLE = ["romeo@localhost", "juliet@localhost", "mercutio@localhost"]
ACCOUNTS = dict.fromkeys([SERVICE, *PEOPLE], "secret")
PLUGINS = ("xep_0004", "xep_0030", "xep_0050", "xep_0085", "xep_0184", "xep_0308", "xep_0333")
EVENTS = ("receipt_received", "chatstate_composing", "message_correction", "marker_displayed",
          "presence_away")


def hosts(backend):
    return [component("proxy.test", "client_proxy", target_address=SERVICE, proxy_strategy="sticky",
                      proxy_stanzas=["iq", "message", "presence"])]


class Bot(SlixmppUser):
    """Answers what is said to it with its own name, and has a command of two steps."""

    def __enter__(self):
        super().__enter__()
        self.client.add_event_handler("message", self._answer)
        self.client["xep_0050"].add_command(node="order", name="Order", handler=self._first)
        self.call("send_presence")
        self.call("get_roster")
        return self

    @property
    def name(self):
        return self.client.boundjid.resource

    def _answer(self, message):
        message.reply(f"{self.name}: {message['body']}").send()

    def _first(self, iq, session):
        session["payload"] = self._form("What?")
        session["next"], session["has_next"] = self._second, True
        return session

    def _second(self, payload, session):
        session["payload"] = self._form(f"{self.name}: {payload['values']['answer']}")
        session["next"], session["has_next"] = None, False
        return session

    def _form(self, question):
        form = self.client["xep_0004"].make_form("form", question)
        form.add_field(var="answer", ftype="text-single")
        return form


@pytest.fixture
def log_in(prosody):
    """A function that logs somebody in; a bot with its resource."""
    opened = []

    def start(jid, kind=SlixmppUser):
        position = prosody.log_position()
        opened.append(kind(prosody.c2s_port, jid, "secret", PLUGINS, EVENTS).__enter__())
        if kind is Bot and sum(isinstance(user, Bot) for user in opened) == 1:
            prosody.wait_for_log(f"{SERVICE} is available", since=position)
        return opened[-1]
    yield start
    for user in reversed(opened):
        user.__exit__()


def ask(user, text):
    user.call("send_message", BOT, text, mtype="chat")
    answer = user.wait_for("message", lambda message: message["body"].endswith(f": {text}"))
    assert answer["from"].full == BOT
    return answer["body"].partition(":")[0]


def test_each_person_talks_to_one_bot_and_goes_on_with_the_other(log_in):
    bots = {name: log_in(f"{SERVICE}/{name}", Bot) for name in ("one", "two")}
    people = [log_in(jid) for jid in PEOPLE]
    partners = {person: ask(person, "hello") for person in people}
    for person, partner in partners.items():
        assert [ask(person, str(n)) for n in range(5)] == [partner] * 5
    lost = partners[people[0]]
    bots[lost].__exit__()
    remaining = ({"one", "two"} - {lost}).pop()
    assert {ask(person, "still there?") for person in people} == {remaining}


def test_what_belongs_to_a_chat_works_both_ways(log_in):
    bot, romeo = log_in(f"{SERVICE}/one", Bot), log_in(PEOPLE[0])

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


def test_a_command_of_several_steps_in_a_chat(log_in):
    for name in ("one", "two"):
        log_in(f"{SERVICE}/{name}", Bot)
    romeo = log_in(PEOPLE[0])
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


def test_the_bot_s_presence_is_that_of_the_service(log_in):
    romeo = log_in(PEOPLE[0])
    romeo.call("send_presence")
    romeo.call("get_roster")
    romeo.call("send_presence_subscription", pto=BOT)
    romeo.wait_for("presence_subscribed", lambda presence: presence["from"] == BOT)
    bot = log_in(f"{SERVICE}/one", Bot)
    romeo.wait_for("presence_available", lambda presence: presence["from"] == BOT)
    bot.call("send_presence", pshow="away")
    romeo.wait_for("presence_away", lambda presence: presence["from"] == BOT)
    bot.call("send_presence", ptype="unavailable")
    romeo.wait_for("presence_unavailable", lambda presence: presence["from"] == BOT)
