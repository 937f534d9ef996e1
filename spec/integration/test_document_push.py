"""Each call and each bot that docs/push.markdown shows beside those of mod_rest and mod_post_msg does what they do."""

import os
import re
import subprocess

import pytest

from harness import bot as bots, config, push, services, stanza as stanzas
from harness.client import Component
from harness.installation import brings, document
from harness.prosody import COMPONENT_SECRET
from harness.push import TOKEN
from harness.waiting import DEADLINE
from harness.web_service import WebService

pytestmark = pytest.mark.skipif(not brings("util/cache.lua"), reason="Prosody 0.9 takes no pushes")

OPTIONS = push.options()
PUSH_URL = f"http://127.0.0.1:{OPTIONS['http_ports'][0]}{push.PATH}"
SECTION = document("docs/push.markdown").partition("\n## If you know mod_rest or mod_post_msg\n")[2]
HOSTS = ("example.com", "example.net", "example.org")
CRASHED = ("user@example.org", "Server@host has just crashed!")
# To whom each call sends, and a text or the element of an iq.
ARRIVES = [
    ("user@example.org", "Hello!"),
    ("user@example.org", "Hello!"),
    ("john@example.com", "Hello John!"),
    ("example.net", "{urn:xmpp:ping}ping"),
    ("example.com", "{jabber:iq:version}query"),
    ("example.com", "{http://jabber.org/protocol/disco#items}query"),
    ("example.com", "{http://jabber.org/protocol/commands}command"),
    CRASHED,
    CRASHED,
]


def shown(language):
    return re.findall(rf"^``` {{\.{language}}}\n(.*?)^```$", SECTION, re.M | re.S)


CALLS, SHOWN_BOTS = shown("sh"), shown("python")
QUERIES = re.findall(r"^\| `GET /rest/(\w+)/…` \| `(.*)` \|$", SECTION, re.M)


def hosts(backend):
    return [bots.component(backend, component_push_tokens=[TOKEN], http_host="127.0.0.1"),
            *(config.external_component(host, COMPONENT_SECRET) for host in HOSTS)]


@pytest.fixture(scope="module")
def others(prosody):
    components = {host: Component(prosody.component_port, host, COMPONENT_SECRET) for host in HOSTS}
    yield components
    for component in components.values():
        component.close()


@pytest.fixture
def run():
    """A function that begins a call in a shell; what it prints is known when it has ended."""
    started = []

    def begin(call):
        environment = {**os.environ, "PUSH_URL": PUSH_URL, "PUSH_TOKEN": TOKEN}
        started.append(subprocess.Popen(
            call, shell=True, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        return started[-1]
    yield begin
    for process in started:
        process.communicate(timeout=DEADLINE)
        assert process.returncode == 0


def test_all_of_them_are_known():
    assert (len(CALLS), len(QUERIES), len(SHOWN_BOTS)) == (len(ARRIVES), 10, 2)


@pytest.mark.parametrize("call, to, what", [(call, *arrives) for call, arrives in zip(CALLS, ARRIVES, strict=True)])
def test_a_call(others, run, call, to, what):
    peer = others[to.rpartition("@")[2]].peer(to)
    process = run(call)
    received = peer.receive()
    assert received.sender == "bot.test"
    if received.kind == "message":
        assert (received.type, received.body) == ("chat", what)
        assert received.id in process.communicate(timeout=DEADLINE)[0]
    else:
        assert [child.tag for child in received.element] == [what]
        peer.send("iq", "<done xmlns='urn:x'/>", to=received.sender, type="result", id=received.id)
        answer = process.communicate(timeout=DEADLINE)[0]
        assert '"type":"result"' in answer and "<done xmlns='urn:x'/>" in answer


@pytest.mark.parametrize("name, element", QUERIES, ids=[name for name, _ in QUERIES])
def test_a_query(others, run, name, element):
    """`name` is what it is called there."""
    peer = others["example.com"].peer("example.com")
    call = next(call for call in CALLS if "jabber:iq:version" in call)
    run(call.replace('<query xmlns="jabber:iq:version"/>', element))
    received = peer.receive()
    peer.send("iq", "", to=received.sender, type="result", id=received.id)
    assert [stanzas.canonical(child) for child in received.element] == [stanzas.canonical(stanzas.parse(element))]


@pytest.mark.parametrize("program", SHOWN_BOTS, ids=["JSON", "XML"])
def test_a_bot(peer_of, tmp_path, program):
    (tmp_path / "bot.py").write_text(program)
    command = [services.python(), "-m", "flask", "--app", str(tmp_path / "bot.py"), "run", "--port", "{port}"]
    with (WebService(*command) as service,
          peer_of([config.component("bot.test", component_post_url=service.url)]) as peer):
        asked = peer.say("bot@bot.test", "hello")
        answer = peer.receive()
        assert (answer.sender, answer.body) == ("bot@bot.test", f"{peer.jid} said: hello")
        assert answer.id != asked
