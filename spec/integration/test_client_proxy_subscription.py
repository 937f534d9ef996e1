"""The subscription to the target's presence, which heals itself, and what an admin has to get right for it."""

import contextlib

import pytest

from harness import config
from harness.admin import ShellError
from harness.client import Component, User
from harness.config import component, virtual_host
from harness.prosody import COMPONENT_SECRET
from harness.target import TargetClient
from harness.waiting import wait_until
from limits import needs_flush_at_exit

ACCOUNTS = {"service@localhost": "secret", "romeo@localhost": "secret"}
PROXY = component("proxy.test", "client_proxy", target_address="service@localhost")
NO_RESOURCE = "cancel/service-unavailable"


@pytest.fixture
def peer(peer_of):
    """A JID at a Prosody of the test's own with a proxy for service@localhost."""
    with peer_of([PROXY], accounts=ACCOUNTS) as peer:
        yield peer


def asked(peer, to="proxy.test"):
    """The error that answers a request, or None if it was served."""
    peer.iq(to)
    return peer.receive().error


def until_served(peer, to="proxy.test"):
    wait_until(lambda: asked(peer, to) is None, "a request served")


def serving(peer, resource="one", **arguments):
    client = TargetClient(peer.prosody, "service@localhost", resource, **arguments)
    client.answer_all()
    return client


def test_resources_come_and_go(peer):
    assert asked(peer) == NO_RESOURCE
    one = serving(peer)
    until_served(peer)
    two = serving(peer, "two")
    one.leave()
    two.synchronise()
    assert asked(peer) is None
    two.presence(type="unavailable")
    assert asked(peer) == NO_RESOURCE
    two.presence()
    assert asked(peer) is None
    two.leave()
    wait_until(lambda: asked(peer) == NO_RESOURCE, "the last one gone")


def test_a_connection_that_breaks(peer):
    one = serving(peer)
    until_served(peer)
    one.disconnect()
    wait_until(lambda: asked(peer) == NO_RESOURCE, "the broken one gone")
    serving(peer)
    assert asked(peer) is None


def test_an_error_presence_drops_one_resource(peer):
    one = serving(peer)
    until_served(peer)
    two = serving(peer, "two")
    one.presence("<error type='cancel'/>", to="proxy.test", type="error")
    for _ in range(10):
        assert asked(peer) is None
    assert len(two.requests.waiting()) == 10
    one.presence()
    two.leave()
    wait_until(lambda: len(one.requests.waiting()) > 0 or asked(peer) is not None, "the first one back")


def test_refused_and_granted_later(peer):
    target = serving(peer, grants=False)
    target.take_presence("proxy.test", "subscribe")
    target.presence(to="proxy.test", type="unsubscribed")
    assert asked(peer) == NO_RESOURCE
    target.grants = True
    target.take_presence("proxy.test", "subscribe")
    until_served(peer)


def test_granted_at_last(peer):
    target = serving(peer, grants=False)
    target.take_presence("proxy.test", "subscribe")
    assert asked(peer) == NO_RESOURCE
    target.presence(to="proxy.test", type="subscribed")
    until_served(peer)


def test_withdrawn_and_granted_again(peer):
    target = serving(peer)
    until_served(peer)
    target.grants = False
    target.presence(to="proxy.test", type="unsubscribed")
    assert asked(peer) == NO_RESOURCE
    target.grants = True
    target.take_presence("proxy.test", "subscribe")
    until_served(peer)


def test_a_reload_loses_nothing(peer):
    target = serving(peer)
    until_served(peer)
    target.hold()
    sent = [peer.iq(f"{name}@proxy.test") for name in "abc"]
    requests = [target.request() for _ in "abc"]
    for _ in range(3):
        peer.prosody.reload("client_proxy", "proxy.test")
    sent.append(peer.iq("d@proxy.test"))
    requests.append(target.request())
    assert len({request.sender for request in requests}) == 1
    for request in requests:
        target.answer(request)
    answers = [peer.receive() for _ in requests]
    assert [answer.id for answer in answers] == sent
    assert [answer.sender for answer in answers] == [f"{name}@proxy.test" for name in "abcd"]
    target.iq(requests[0].sender, "<query xmlns='urn:example:question'/>", "asked")
    asked_in_turn = peer.receive()
    peer.prosody.reload("client_proxy", "proxy.test")
    peer.iq("proxy.test", "", "result", id=asked_in_turn.id)
    assert target.receive().id == "asked"


def test_a_reload_takes_a_changed_configuration(peer):
    target = serving(peer)
    until_served(peer)
    target.hold()
    peer.iq("proxy.test")
    target.request()
    changed = peer.prosody.config_file.read_text().replace('"service@localhost"', '"other@localhost"')
    peer.prosody.config_file.write_text(changed)
    peer.prosody.shell("config:reload()")
    peer.prosody.reload("client_proxy", "proxy.test")
    assert peer.receive().error == "wait/remote-server-timeout"
    assert asked(peer) == NO_RESOURCE
    target.take_presence("proxy.test", "unsubscribe")


def test_a_reload_into_a_broken_configuration_changes_nothing(peer):
    """The component goes on with what it had; the log and, by the reload's failure, the shell say so."""
    target = serving(peer)
    until_served(peer)
    target.hold()
    sent = peer.iq("proxy.test")
    request = target.request()
    good = peer.prosody.config_file.read_text()
    peer.prosody.config_file.write_text(good.replace("target_address", "target"))
    peer.prosody.shell("config:reload()")
    result = ""
    with contextlib.suppress(ShellError):
        result = peer.prosody.shell('module:reload("client_proxy", "proxy.test")')
    assert "1 host" not in result
    peer.prosody.wait_for_log("the option 'target_address' is missing.*: not reloaded", level="error")
    target.answer(request)
    assert (peer.receive().id, peer.inbox.waiting()) == (sent, [])
    target.answer_all()
    assert asked(peer) is None
    peer.prosody.config_file.write_text(good)
    peer.prosody.shell("config:reload()")
    peer.prosody.reload("client_proxy", "proxy.test")
    assert asked(peer) is None


def test_unload_answers_what_is_outstanding_and_load_begins_anew(peer):
    target = serving(peer)
    until_served(peer)
    target.hold()
    for type in ("get", "set"):
        peer.iq("proxy.test", type=type)
        target.request()
    peer.prosody.unload("client_proxy", "proxy.test")
    assert [peer.receive().error for _ in range(2)] == ["wait/remote-server-timeout"] * 2
    target.answer_all()
    peer.prosody.load("client_proxy", "proxy.test")
    until_served(peer)


@needs_flush_at_exit
def test_the_end_of_the_server_answers_external_components(peer):
    target = serving(peer)
    until_served(peer)
    target.hold()
    sent = [peer.iq(f"x{number}@proxy.test", type="set") for number in range(50)]
    for _ in sent:
        target.request()
    assert peer.prosody.stop(deadline=5) == 0
    answers = peer.inbox.until_closed()
    assert [(answer.id, answer.error) for answer in answers] == [(id, "wait/remote-server-timeout") for id in sent]


@needs_flush_at_exit
def test_the_end_of_the_server_answers_what_is_outstanding(peer):
    target = serving(peer)
    until_served(peer)
    target.hold()
    romeo = User(peer.prosody.c2s_port, "romeo@localhost", "secret")
    sent = ["get", "set"]
    for type in sent:
        romeo.iq("proxy.test", "<query xmlns='urn:example:question'/>", type, type)
        target.request()
    assert peer.prosody.stop(deadline=5) == 0
    answers = [romeo.receive() for _ in sent]
    assert [(answer.id, answer.error) for answer in answers] == [(id, "wait/remote-server-timeout") for id in sent]


def test_the_proxy_is_back_after_a_restart_of_the_server(peer):
    serving(peer)
    until_served(peer)
    assert peer.prosody.stop() == 0
    peer.prosody.start()
    again = Component(peer.prosody.component_port, "peers.test", COMPONENT_SECRET)
    serving(peer)
    until_served(again.peer())
    again.close()


def test_a_target_whose_host_comes_up_later(peer_of):
    """The host is there in the configuration, and activated when the component has been asking for a while."""
    later = virtual_host("later.test", enabled=False)
    proxy = component("proxy.test", "client_proxy", target_address="service@later.test")
    with peer_of([proxy, later], accounts=ACCOUNTS) as peer:
        assert asked(peer) == NO_RESOURCE
        directory = peer.prosody.directory / "data" / "later%2etest" / "accounts"
        directory.mkdir(parents=True)
        record = config.literal({"password": "secret"})
        (directory / "service.dat").write_text(f"return {record};\n")
        peer.prosody.shell('host:activate("later.test")')
        client = TargetClient(peer.prosody, "service@later.test", "one")
        client.answer_all()
        until_served(peer)
        peer.prosody.shell('host:deactivate("later.test")')
        wait_until(lambda: asked(peer) == NO_RESOURCE, "the target's host gone")
        peer.prosody.shell('host:activate("later.test")')
        client = TargetClient(peer.prosody, "service@later.test", "one")
        client.answer_all()
        until_served(peer)
