"""Services that hang, and the file descriptors of Prosody: half of them at least are left to it."""

import pytest

from harness import behaviours, bot as bots, prosody as servers
from harness.bot import Bot
from harness.client import Component, User
from harness.waiting import wait_until

HUNG = [f"hung{number}.test" for number in range(4)]
SENDERS = 250
ACCOUNTS = {"alice@localhost": "secret", "bob@localhost": "secret"}
OPTIONS = {"modules_enabled": ["roster", "saslauth", "offline", "admin_socket", "admin_shell", "admin_telnet", "posix"],
           "modules_disabled": ["s2s", "s2s_auth_certs"]}
# What all connections together come to, at the least, before those that are still wanted wait.
REACHED = {256: 100, 1024: 400}


@pytest.fixture(params=REACHED)
def crowded(request, backend):
    """A Prosody with so many descriptors, four components whose services hang with more to do than there are,
    and one that works.
    """
    sections = [bots.component(backend, host, component_post_concurrency=256) for host in HUNG]
    with servers.Prosody([bots.component(backend), *sections], accounts=ACCOUNTS, options=OPTIONS,
                         open_files=request.param) as prosody:
        hung = [Bot(backend, host) for host in HUNG]
        for bot in hung:
            bot.behave(behaviours.hang)
        peers = Component(prosody.component_port, "peers.test", servers.COMPONENT_SECRET)
        senders = [peers.peer() for _ in range(SENDERS)]
        for sender in senders:
            for bot in hung:
                sender.say(bot.jid)
        wait_until(lambda: sum(len(bot.requests) for bot in hung) >= REACHED[request.param],
                   lambda: f"{REACHED[request.param]} requests, not {[len(bot.requests) for bot in hung]}")
        yield prosody, hung, senders
        for bot in hung:
            bot.release()
        assert prosody.stop() == 0
        # What was sent and not read before the end is no request of the next test.
        backend.wait_until_closed()


def test_clients_get_in_and_messages_are_kept_for_them(crowded):
    prosody, _, _ = crowded
    alice = User(prosody.c2s_port, "alice@localhost", "secret")
    alice.message("bob@localhost", "<body>for later</body>", type="chat", id="later")
    alice.iq("localhost", "<query xmlns='jabber:iq:roster'/>", "after")
    assert alice.receive().id == "after"
    others = [User(prosody.c2s_port, "alice@localhost", "secret", resource=f"phone {number}") for number in range(20)]
    bob = User(prosody.c2s_port, "bob@localhost", "secret")
    bob.send("<presence/>")
    wait_until(lambda: bob.receive().body == "for later", "the message that was kept")
    for user in (alice, bob, *others):
        user.close()


def test_a_service_that_works_answers_meanwhile_and_what_waits_is_sent_in_the_end(crowded, backend):
    _, hung, senders = crowded
    working = Bot(backend)
    working.behave(behaviours.echo)
    for number, sender in enumerate(senders):
        sender.say(working.jid, str(number))
    assert [sender.receive().body for sender in senders] == [str(number) for number in range(SENDERS)]
    for bot in hung:
        bot.release()
    for bot in hung:
        keys = [request.header("idempotency-key") for request in bot.wait_for_requests(SENDERS)]
        assert len(set(keys)) == len(keys) == SENDERS
    assert not any(sender.inbox.waiting() for sender in senders)


@pytest.mark.parametrize("open_files", REACHED)
def test_a_limit_that_is_too_low_is_told_with_the_remedy(backend, open_files):
    hosts = ["bot.test", *HUNG]
    with servers.Prosody([bots.component(backend, host) for host in hosts], open_files=open_files) as prosody:
        told = [line for line in prosody.log() if "LimitNOFILE" in line.text]
        if open_files == 256:
            assert {line.source for line in told} == {f"{host}:component_http" for host in hosts}
            assert all("component_post_concurrency is 256" in line.text and line.level == "warn" for line in told)
        else:
            assert not told
