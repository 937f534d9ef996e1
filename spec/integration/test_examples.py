"""Every bot in examples/, and the one in README, does on a real Prosody what its first lines say."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys

import pytest

from harness import services
from harness.client import Component
from harness.config import component
from harness.installation import REPOSITORY, document
from harness.prosody import COMPONENT_SECRET, Prosody
from harness.waiting import DEADLINE, wait_until
from harness.web_service import WebService

BOT_HOST = "bot.test"
BOT_JID = f"echo@{BOT_HOST}"
TYPING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
ECHO_BOTS = {
    "node": ("node", "echo.js", "{port}"),
    "php": ("php", "-S", "127.0.0.1:{port}", "echo.php"),
    "python": (sys.executable, "echo.py", "{port}"),
    "ruby": ("ruby", "echo.rb", "{port}"),
}


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@contextlib.contextmanager
def served_by(*command, environment=None, **options):
    """A running bot with a Prosody that posts to it; gives the bot and a component to talk to it from."""
    with (WebService(*command, environment=environment) as bot,
          Prosody([component(BOT_HOST, component_post_url=bot.url, **options)]) as prosody,
          contextlib.closing(Component(prosody.component_port, "peers.test", COMPONENT_SECRET)) as peers):
        yield bot, peers


def command_of(language):
    """How that bot is run; skips the test where its language is not installed."""
    command = ECHO_BOTS[language]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    if language == "ruby" and subprocess.run(["ruby", "-e", "require 'webrick'"], capture_output=True).returncode:
        pytest.skip("WEBrick is not installed for this ruby")
    return command


@pytest.fixture(scope="module", params=ECHO_BOTS)
def echo(request):
    with served_by(*command_of(request.param)) as bot_and_peers:
        yield bot_and_peers


def test_echo_bots_answer_a_message_with_its_text(echo):
    bot, peers = echo
    alice = peers.peer()
    before = len(bot.requests())
    text = "Grüße & <b>\"quotes\"</b> \U0001f600\nand a second line"
    alice.say(BOT_JID, text)
    reply = alice.receive()
    assert (reply.sender, reply.to, reply.type, reply.body) == (BOT_JID, alice.jid, "chat", text)
    [request], [answer] = bot.requests()[before:], bot.answers()[-1:]
    assert json.loads(request)["body"] == text
    assert json.loads(answer) == {"body": text}


def test_echo_bots_answer_a_room_in_the_room(echo):
    _, peers = echo
    room = peers.peer("room@peers.test/alice")
    room.say(BOT_JID, "hello, all", type="groupchat")
    reply = room.receive()
    assert (reply.to, reply.type, reply.body) == ("room@peers.test", "groupchat", "hello, all")


def test_echo_bots_keep_silent_about_a_message_without_text(echo):
    bot, peers = echo
    alice = peers.peer()
    before = len(bot.requests())
    alice.send("message", TYPING, to=BOT_JID, type="chat")
    alice.say(BOT_JID, "there")
    # Replies keep the order of the messages, so that one to the first would come first.
    assert alice.receive().body == "there"
    assert len(bot.requests()) == before + 2


def test_the_bot_of_the_readme_answers_a_message_with_its_text(tmp_path):
    command_of("php")
    [bot] = re.findall(r"^``` \{\.php\}\n(.*?)^```$", document("README.markdown"), re.M | re.S)
    file = tmp_path / "bot.php"
    file.write_text(bot, encoding="utf-8")
    with served_by("php", "-S", "127.0.0.1:{port}", str(file)) as (_, peers):
        alice = peers.peer()
        alice.send("message", TYPING, to=BOT_JID, type="chat")
        alice.say(BOT_JID, "there")
        assert alice.receive().body == "there"


@pytest.mark.parametrize("language", ["node", "python"])
@pytest.mark.parametrize("secret, answer", [(SECRET, "hello"), (OTHER_SECRET, None), (None, None)])
def test_echo_bots_with_a_secret_answer_only_what_is_signed_with_it(language, secret, answer):
    command = {"node": (services.node, *ECHO_BOTS["node"][1:]), "python": (services.python, *ECHO_BOTS["python"][1:])}
    interpreter, *arguments = command[language]
    environment = {"WEBHOOK_SECRET": SECRET, "NODE_PATH": str(services.MODULES)}
    options = {"component_post_secret": secret} if secret else {}
    with served_by(interpreter(), *arguments, environment=environment, **options) as (bot, peers):
        alice = peers.peer()
        alice.say(BOT_JID)
        received = alice.receive()
        assert (received.body, received.error) == (answer, None if answer else "auth/not-authorized")
        assert len(bot.requests()) == (1 if answer else 0)


@pytest.mark.parametrize("language", ["node", "python", "ruby"])
def test_echo_bots_say_where_they_listen(language):
    with WebService(*command_of(language)) as bot:
        wait_until(lambda: f"Listening on {bot.url}" in bot.output(), bot.output)


@pytest.mark.parametrize("language", ["node", "python", "ruby"])
def test_echo_bots_listen_on_port_8080_unless_told_otherwise(language):
    """Shown by that port being taken, which a test can bring about on any machine."""
    *command, _ = command_of(language)
    with contextlib.ExitStack() as taken:
        with contextlib.suppress(OSError):
            taken.enter_context(socket.create_server(("127.0.0.1", 8080)))
        ended = run(*command)
    assert ended.returncode != 0
    assert "address already in use" in ended.stderr.lower()


def run(*command):
    return subprocess.run(command, cwd=REPOSITORY / "examples", capture_output=True, text=True, timeout=DEADLINE)


@pytest.mark.parametrize(("arguments", "complaint"), [
    pytest.param((), "Run: python3 pictures.py PORT DIRECTORY URL", id="none"),
    pytest.param(("8080", "/nowhere", "https://www.example.com/"), "pictures.py: there is no directory /nowhere",
                 id="no directory")])
def test_the_picture_bot_says_what_it_needs(arguments, complaint):
    ended = run(sys.executable, "pictures.py", *arguments)
    assert (ended.returncode, ended.stderr) == (1, f"{complaint}\n")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pictures")
    for name in ("cat.jpg", "Office & Map #2.png", "notes.txt"):
        (directory / name).touch()
    command = (sys.executable, "pictures.py", "{port}", str(directory), "https://www.example.com/p?size=1&file=")
    with served_by(*command) as (_, peers):
        yield peers


@pytest.mark.parametrize(("name", "file"), [("Cat", "cat.jpg"), ("office & map #2", "Office%20%26%20Map%20%232.png")])
def test_the_picture_bot_answers_a_name_with_its_picture(pictures, name, file):
    alice = pictures.peer()
    alice.say(BOT_JID, name)
    reply = alice.receive()
    url = f"https://www.example.com/p?size=1&file={file}"
    assert (reply.sender, reply.to, reply.type, reply.body) == (BOT_JID, alice.jid, "chat", url)
    assert reply.element.findtext("{jabber:x:oob}x/{jabber:x:oob}url") == url


def test_the_picture_bot_lists_its_pictures_to_a_person_but_not_to_a_room(pictures):
    alice, room = pictures.peer(), pictures.peer("room@peers.test/alice")
    alice.say(BOT_JID, "dog")
    assert alice.receive().body == "I have: cat, office & map #2"
    room.say(BOT_JID, "dog", type="groupchat")
    room.say(BOT_JID, "cat", type="groupchat")
    reply = room.receive()
    assert (reply.to, reply.type) == ("room@peers.test", "groupchat")
    assert reply.body.endswith("cat.jpg")
