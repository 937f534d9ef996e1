"""What an admin reads in the log: that the component is up, what became of each exchange, and when a service is
back.
"""

import pytest

from harness import behaviours, bot as bots

HOST = "bot.test"
SOURCE = f"{HOST}:component_http"


def hosts(backend):
    return [bots.component(backend)]


def test_what_is_on_at_load_and_reload(prosody, backend):
    line = f"POSTs message to {backend.url}: up to 256 at a time and 10000 waiting, 30 s for each"
    prosody.wait_for_log(line, source=SOURCE, level="info")
    since = prosody.log_position()
    prosody.reload("component_http", HOST)
    prosody.wait_for_log(line, source=SOURCE, level="info", since=since)


def test_each_exchange(prosody, bot, peer):
    bot.behave(behaviours.echo)
    sent = peer.say(bot.jid)
    assert peer.receive().body
    prosody.wait_for_log(rf'message "{sent}" POSTed: status 200 in \d+ ms, 1 to send', source=SOURCE, level="debug")
    bot.behave(behaviours.respond(404))
    sent = peer.say(bot.jid)
    assert peer.receive().error
    prosody.wait_for_log(rf'message "{sent}" POSTed: status 404 in \d+ ms, failed', source=SOURCE, level="debug")


@pytest.mark.parametrize("content_type, reason", [
    ("text/html; charset=UTF-8", 'its Content-Type is "text/html; charset=UTF-8"'),
    (None, "it has no Content-Type"),
])
def test_an_answer_that_is_not_taken_for_a_reply(prosody, bot, peer, content_type, reason):
    since = prosody.log_position()
    bot.behave(behaviours.respond(200, '{"body":"hello"}', content_type=content_type))
    peer.say(bot.jid)
    prosody.wait_for_log(f"message from {peer.jid} to {bot.jid}: the answer was not taken for a reply: {reason}",
                         source=SOURCE, level="info", since=since)


@pytest.mark.parametrize("status, body", [(204, b""), (200, b""), (202, b"queued")])
def test_an_answer_without_a_reply_is_not_worth_a_line(prosody, bot, peer, status, body):
    since = prosody.log_position()
    bot.behave(behaviours.respond(status, body, content_type="text/plain"))
    sent = peer.say(bot.jid)
    prosody.wait_for_log(f'message "{sent}" POSTed: status {status} ', since=since)
    assert [entry for entry in prosody.log(since) if entry.source == SOURCE and entry.level != "debug"] == []


def test_a_service_that_answers_again(prosody, bot, peer):
    since = prosody.log_position()
    bot.behave(behaviours.respond(502))
    for _ in range(3):
        peer.say(bot.jid)
        assert peer.receive().error == "wait/remote-server-timeout"
    prosody.wait_for_log("HTTP status 502", level="warn", since=since)
    bot.behave(behaviours.echo)
    for _ in range(2):
        peer.say(bot.jid)
        assert peer.receive().body
    prosody.wait_for_log(r"the service answers again, \d+ m?s after the first of 3 failures",
                         source=SOURCE, level="info", since=since)
    assert sum("answers again" in entry.text for entry in prosody.log(since)) == 1
