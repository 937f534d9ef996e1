"""What an admin sees of a component in `prosodyctl shell`, and can do there."""

import subprocess

import pytest

from harness import behaviours, bot as bots
from harness.admin import ShellError
from harness.config import component
from harness.installation import binary, brings
from harness.target import PASSWORD, TargetClient
from harness.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.skipif(not brings("util/human/io.lua"), reason="before 0.12 Prosody has another shell")

ACCOUNTS = {"service@localhost": PASSWORD}


def hosts(backend):
    return [
        bots.component(backend, component_post_retry_for=3600),
        bots.component(backend, "other.test"),
        bots.component(backend, "narrow.test", component_post_concurrency=1),
        component("proxy.test", "client_proxy", target_address="service@localhost"),
    ]


def rows(output):
    """A table that was printed, by rows; and what stands below it."""
    *table, result = output.splitlines()
    return [[cell.strip() for cell in line.split(" | ")] for line in table], result


def status(prosody, host, module="component_http"):
    return dict(rows(prosody.shell(f'{module}:status("{host}")'))[0])


@pytest.fixture
def narrow(bot_at):
    return bot_at("narrow.test")


def test_how_it_stands(prosody, narrow, peers, backend):
    narrow.behave(behaviours.hang)
    for number in range(3):
        peers.peer().say(narrow.jid, str(number))
    narrow.wait_for_requests(1)
    wait_until(lambda: status(prosody, narrow.host)["waiting"].startswith("2 "), "two that wait")
    now = status(prosody, narrow.host)
    assert now["mod_component_http"] == narrow.host
    assert now["service"] == f"{backend.url}, 1 in flight, 2 waiting"
    assert (now["in flight"], now["waiting"]) == ("1 of 1", "2 of 10000 stanzas")
    assert now["oldest"].endswith(" s") and int(now["threads"]) >= 2
    narrow.release()
    wait_until(lambda: status(prosody, narrow.host)["accepted"] == "3", "the end of all")
    assert status(prosody, narrow.host)["oldest"] == "none"


def test_the_last_failures(prosody, bot_at, peer):
    bot = bot_at("other.test")
    assert rows(prosody.shell('component_http:failures("other.test")'))[1] == "OK: 0 stanzas were not accepted of late"
    bot.behave(behaviours.respond(404))
    peer.say(bot.jid)
    assert peer.receive().error
    peer.send("message", "<active xmlns='http://jabber.org/protocol/chatstates'/>", to=bot.jid, type="chat")
    bot.everything_for(peer)
    (titles, *failures), result = rows(prosody.shell('component_http:failures("other.test")'))
    assert titles == ["When", "From", "To", "Kind", "Why"]
    told = [peer.jid, bot.jid, "message", "the service answered with HTTP status 404"]
    assert [failure[1:] for failure in failures] == [told, told], "one of them was told to nobody"
    assert result == "OK: 2 stanzas were not accepted of late"
    assert status(prosody, "other.test")["rejected 404"] == "2"


def test_retry_makes_the_next_attempt_at_once(prosody, bot, peers):
    """Also with a service that is down, whose pauses are long by then."""
    bot.behave(behaviours.respond(503, headers=[("Retry-After", "3000")]))
    waiting = [peers.peer() for _ in range(6)]
    for peer in waiting:
        peer.say(bot.jid, "hello")
    wait_until(lambda: "down for" in status(prosody, bot.host)["service"], "a service that is down")
    wait_until(lambda: "next attempt in" in status(prosody, bot.host)["service"], "the end of an attempt")
    bot.behave(behaviours.echo)
    assert prosody.shell('component_http:retry("bot.test")') == "OK: 6 stanzas wait: the next attempt is made now"
    for peer in waiting:
        assert peer.receive().body == "hello"
    assert "down" not in status(prosody, bot.host)["service"]
    prosody.wait_for_log("the next attempt is made now, as an admin asks for: 6 stanzas wait", level="info")


def test_drop_ends_what_one_sender_has_sent(prosody, narrow, peers):
    narrow.behave(behaviours.hang)
    flood, other = peers.peer(), peers.peer()
    sent = [flood.say(narrow.jid, str(number)) for number in range(3)]
    narrow.wait_for_requests(1)
    other.say(narrow.jid, "other")
    wait_until(lambda: status(prosody, narrow.host)["waiting"].startswith("3 "), "three that wait")
    bare = flood.jid.partition("/")[0]
    told = prosody.shell(f'component_http:drop("{narrow.host}", "{bare.upper()}/any")')
    assert told == "OK: 3 stanzas of that bare JID are dropped; it is told"
    errors = [flood.receive() for _ in sent]
    assert {error.error for error in errors} == {"cancel/service-unavailable"}
    assert sorted(error.id for error in errors) == sorted(sent)
    prosody.wait_for_log(f"what {bare} has sent is dropped, as an admin asks for: 3 stanzas", level="info")
    narrow.behave(behaviours.echo)
    narrow.release()
    assert other.receive().body == "other"
    assert not narrow.everything_for(flood)
    again = prosody.shell(f'component_http:drop("{narrow.host}", "{flood.jid}")')
    assert again == "OK: 0 stanzas of that bare JID are dropped; it is told"


@pytest.mark.parametrize("command, complaint", [
    ('status("nowhere.test")', "mod_component_http is not loaded on nowhere.test"),
    ("retry()", "mod_component_http is not loaded on nil"),
    ('drop("narrow.test")', "Whose stanzas? Name a JID"),
    ('drop("narrow.test", "a@@b")', "Whose stanzas? Name a JID"),
])
def test_what_cannot_be_done_is_said(prosody, command, complaint):
    with pytest.raises(ShellError, match=complaint.replace("?", r"\?")):
        prosody.shell(f"component_http:{command}")


def test_a_proxy(prosody, peer):
    assert status(prosody, "proxy.test", "client_proxy")["target"] == "service@localhost, no presence of it"
    client = TargetClient(prosody, "service@localhost", "one")
    prosody.wait_for_log("service@localhost is available")
    peer.iq("proxy.test")
    client.request()
    now = status(prosody, "proxy.test", "client_proxy")
    assert (now["target"], now["clients online"], now["requests outstanding"]) == ("service@localhost", "1", "1")
    assert now["requests relayed"] == "1"
    client.leave()


def test_a_module_that_is_unloaded_has_no_commands(prosody, backend):
    prosody.unload("component_http", "other.test")
    with pytest.raises(ShellError, match=r"not loaded on other\.test"):
        prosody.shell('component_http:status("other.test")')
    assert status(prosody, "narrow.test")
    prosody.load("component_http", "other.test")
    assert status(prosody, "other.test")["service"].startswith(backend.url)
    prosody.reload("component_http", "other.test")
    assert status(prosody, "other.test")["service"].startswith(backend.url)


def test_prosodyctl_runs_the_commands(prosody, backend):
    command = [binary() + "ctl", "--config", str(prosody.config_file), "shell"]
    done = subprocess.run([*command, "component_http", "status", "bot.test"], text=True, capture_output=True,
                          timeout=DEADLINE)
    assert dict(rows(done.stdout.strip())[0])["service"].startswith(backend.url), done
