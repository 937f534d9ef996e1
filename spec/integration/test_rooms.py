"""Chat rooms: no error ever goes to a room, and a bot never hears its own words."""

import itertools
import re

import pytest

from harness import behaviours, bot as bots, config
from harness.behaviours import reply, respond
from harness.client import User
from harness.installation import document
from limits import needs_metrics

ACCOUNTS = {"alice@localhost": "secret"}
OPTIONS = {"statistics": "internal", "statistics_interval": "manual"}
MUC = "http://jabber.org/protocol/muc"
MANUAL = document("docs/component_http.markdown")
numbers = itertools.count(1)


def hosts(backend):
    return [
        bots.component(backend),
        bots.component(backend, "fast.test", component_post_timeout=1),
        config.component("rooms.test", "muc", muc_room_locking=False, restrict_room_creation=False),
    ]


class Room:
    """A room that the test plays itself."""

    def __init__(self, peers):
        self.jid = f"room{next(numbers)}@peers.test"
        self._peers = peers
        self.inbox = peers.peer(self.jid)

    def says(self, occupant, to, text, id):
        self.inbox.send(
            "message", f"<body>{text}</body>", from_=f"{self.jid}/{occupant}", to=to, type="groupchat", id=id)


@pytest.fixture
def room(peers):
    return Room(peers)


# Failures

@pytest.mark.parametrize("behaviour", [
    pytest.param(respond(404), id="404"), pytest.param(respond(500), id="500"), pytest.param(respond(429), id="429"),
    pytest.param(behaviours.reset, id="reset"), pytest.param(behaviours.close, id="close"),
    pytest.param(behaviours.raw(b"garbage"), id="garbage"),
    pytest.param(behaviours.not_as_described(respond(body="broken")), id="unusable")])
def test_failure_is_logged_and_never_sent_to_the_room(bot, room, prosody, behaviour):
    position = prosody.log_position()
    bot.behave(behaviour)
    room.says("alice", bot.jid, "hello", "g1")
    bot.complaint(prosody, position)
    assert not bot.everything_for(room.inbox)


def failures(prosody):
    found = re.search(r'component_http\S*failures_total\{[^}]*host="bot\.test"[^}]*\} (\d+)', prosody.metrics())
    return int(found.group(1)) if found else 0


@needs_metrics
def test_failures_in_a_room_are_counted(bot, room, prosody):
    before = failures(prosody)
    bot.behave(respond(410))
    for number in range(5):
        room.says("alice", bot.jid, "hello", f"g{number}")
    bot.everything_for(room.inbox)
    assert failures(prosody) == before + 5
    bot.behave(behaviours.echo)
    room.says("alice", bot.jid, "hello", "g5")
    room.inbox.receive()
    assert failures(prosody) == before + 5


def test_time_out_in_a_room_is_only_logged(bot_at, room, prosody):
    fast = bot_at("fast.test")
    position = prosody.log_position()
    fast.behave(behaviours.hang)
    room.says("alice", fast.jid, "hello", "g1")
    fast.complaint(prosody, position)
    assert not fast.everything_for(room.inbox)


# Reflections

def test_own_message_reflected_by_the_room_is_not_forwarded(bot, room):
    bot.behave(behaviours.echo)
    room.says("alice", bot.jid, "hello", "g1")
    said = room.inbox.receive()
    assert (said.to, said.type) == (room.jid, "groupchat")
    room.says("bot", bot.jid, said.body, said.id)
    assert not bot.everything_for(room.inbox)
    assert len(bot.requests) == 1


def test_reflection_to_the_occupant_s_full_jid(bot, room):
    bot.behave(behaviours.echo)
    room.says("alice", "bot@bot.test/session", "hello", "g1")
    said = room.inbox.receive()
    room.says("bot", "bot@bot.test/session", said.body, said.id)
    assert not bot.everything_for(room.inbox)
    assert len(bot.requests) == 1


def test_reflection_of_a_reply_given_as_stanza(bot, room):
    bot.behave(reply(stanza="<message type='groupchat' id='from-xml'><body>hi</body></message>"))
    room.says("alice", bot.jid, "hello", "g1")
    assert room.inbox.receive().id == "from-xml"
    room.says("bot", bot.jid, "hi", "from-xml")
    assert not bot.everything_for(room.inbox)
    assert len(bot.requests) == 1


def test_message_to_a_room_that_a_chat_led_to(bot, room, peer):
    bot.behave(reply(to=room.jid, type="groupchat", body="announcement"))
    peer.say(bot.jid)
    said = room.inbox.receive()
    room.says("bot", bot.jid, said.body, said.id)
    assert not bot.everything_for(room.inbox)
    assert len(bot.requests) == 1


def test_others_are_forwarded(bot, room):
    bot.behave(behaviours.echo)
    room.says("alice", bot.jid, "hello", "g1")
    said = room.inbox.receive()
    room.says("carol", bot.jid, said.body, "g2")
    assert bot.wait_for_requests(2)[1].json["id"] == "g2"


def test_same_id_from_another_room_is_forwarded(bot, room, peers):
    other = Room(peers)
    bot.behave(behaviours.echo)
    room.says("alice", bot.jid, "hello", "g1")
    said = room.inbox.receive()
    other.says("bot", bot.jid, said.body, said.id)
    assert bot.wait_for_requests(2)[1].json["from"] == f"{other.jid}/bot"


def test_same_id_as_a_chat_reply_is_forwarded(bot, room):
    bot.behave(reply(id="common", type="chat", body="private"))
    room.says("alice", bot.jid, "hello", "g1")
    assert room.inbox.receive().id == "common"
    room.says("alice", bot.jid, "again", "common")
    assert bot.wait_for_requests(2)[1].json["body"] == "again"


# A real room

def test_bot_in_a_real_room_answers_once(bot, prosody):
    """A bot that echoes everything joins by itself and would talk to itself for ever."""
    def bot_behaviour(exchange):
        asked = exchange.request.json
        if asked.get("body") == "join":
            reply(stanza=f"<presence to='hall@rooms.test/bot'><x xmlns='{MUC}'/></presence>")(exchange)
        else:
            reply(body=f"you said {asked['body']}")(exchange) if "body" in asked else respond(204)(exchange)
    bot.behave(bot_behaviour)
    user = User(prosody.c2s_port, "alice@localhost", "secret")

    def next_message():
        while (stanza := user.receive()).kind != "message" or stanza.body is None:
            pass
        return stanza

    user.send(f"<presence to='hall@rooms.test/alice'><x xmlns='{MUC}'/></presence>")
    user.message(bot.jid, "<body>join</body>")
    joined = user.receive()
    while (joined.kind, joined.sender) != ("presence", "hall@rooms.test/bot"):
        joined = user.receive()
    for number in range(5):
        user.message("hall@rooms.test", f"<body>{number}</body>", type="groupchat", id=f"said-{number}")
        assert (next_message().body, next_message().body) == (str(number), f"you said {number}")
    bodies = [request.json.get("body") for request in bot.requests]
    assert [body for body in bodies if body] == ["join", "0", "1", "2", "3", "4"]
    user.close()


def test_bot_that_joins_as_the_readme_says_hears_only_what_others_say_from_then_on(bot, prosody):
    """The room has a history, with words of the bot's own nick in it; a bot that got it would answer all of it."""
    [join] = re.findall(r"<presence to='tea@rooms\.example\.com/.*?</presence>", MANUAL)
    bot.behave(behaviours.by_body({"join": reply(stanza=join.replace("example.com", "test"))}, reply(body="an answer")))
    alice, namesake = (User(prosody.c2s_port, "alice@localhost", "secret", resource) for resource in ("alice", "other"))

    def until(condition):
        while not condition(alice.receive()):
            pass

    def say(user, text):
        user.message("tea@rooms.test", f"<body>{text}</body>", type="groupchat", id=text)
        until(lambda stanza: stanza.body == text)

    alice.send(f"<presence to='tea@rooms.test/alice'><x xmlns='{MUC}'/></presence>")
    namesake.send(f"<presence to='tea@rooms.test/Weather'><x xmlns='{MUC}'/></presence>")
    say(namesake, "earlier words of this nick")
    namesake.close()
    say(alice, "an earlier question")
    alice.message(bot.jid, "<body>join</body>", type="chat", id="join")
    until(lambda stanza: (stanza.kind, stanza.sender, stanza.type) == ("presence", "tea@rooms.test/Weather", None))
    say(alice, "a question")
    until(lambda stanza: stanza.body == "an answer")
    alice.close()
    bodies = [request.json.get("body") for request in bot.requests]
    assert [body for body in bodies if body] == ["join", "a question"]
