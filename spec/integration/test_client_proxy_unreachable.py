"""Clients and servers that are gone while Prosody still counts them as available."""

import pytest

from harness import config
from harness.client import Component
from harness.config import component
from harness.prosody import COMPONENT_SECRET, free_port
from harness.target import TargetClient
from limits import needs_bounces, needs_smacks

ACCOUNTS = {"service@localhost": "secret"}
TIMEOUT = "wait/remote-server-timeout"
STREAM_MANAGEMENT = "urn:xmpp:sm:3"


class ResumableClient(TargetClient):
    """A client whose session waits for it to come back when its connection breaks (XEP-0198)."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.send(f"<enable xmlns='{STREAM_MANAGEMENT}' resume='true'/>")
        self.expect("enabled")


def with_a_proxy(peer_of, hibernation, **options):
    """A Prosody with a proxy, where a session waits for so many seconds."""
    proxy = component("proxy.test", "client_proxy", target_address="service@localhost",
                      proxy_strategy="round-robin", **options)
    return peer_of([proxy], accounts=ACCOUNTS, options={"smacks_hibernation_time": hibernation})


def start_clients(peer):
    """One client that is killed, and one that answers; the first of two requests goes to the first."""
    peer.prosody.load("smacks", "localhost")
    killed = ResumableClient(peer.prosody, "service@localhost", "1")
    alive = TargetClient(peer.prosody, "service@localhost", "2")
    alive.answer_all()
    peer.prosody.wait_for_log("service@localhost is available")
    position = peer.prosody.log_position()
    killed.disconnect()
    peer.prosody.wait_for_log("Session going into hibernation", since=position)
    return alive


@needs_smacks
def test_a_killed_client_does_not_keep_gets_waiting(peer_of):
    with with_a_proxy(peer_of, 600, proxy_try_timeout=1) as peer:
        alive = start_clients(peer)
        sent = [peer.iq(f"{name}@proxy.test") for name in "abcd"]
        answers = [peer.receive() for _ in sent]
        assert {answer.id: (answer.sender, answer.type) for answer in answers} == {
            id: (f"{name}@proxy.test", "result") for id, name in zip(sent, "abcd", strict=True)}
        assert len(alive.requests.waiting()) == 4
        assert peer.inbox.waiting() == []


@needs_smacks
def test_the_session_of_a_killed_client_ends(peer_of):
    """Prosody gives back what the client has never seen before it says that the client is gone."""
    with with_a_proxy(peer_of, 1, proxy_try_timeout=0) as peer:
        start_clients(peer)
        gets = [peer.iq(f"{name}@proxy.test") for name in "ab"]
        sets = [peer.iq(f"{name}@proxy.test", type="set") for name in "cd"]
        outcomes = {answer.id: answer.error for answer in (peer.receive() for _ in gets + sets)}
        assert [outcomes[id] for id in gets] == [None, None]
        assert sorted(outcomes[id] or "" for id in sets) == ["", TIMEOUT]


def asks_a_remote_service(peer, service):
    """What comes back for a get and a set to a proxy whose target seems to be available at another server."""
    speaker = Component(peer.prosody.component_port, "relay.test", COMPONENT_SECRET)
    speaker.peer(service).presence("proxy.test")
    peer.prosody.wait_for_log(f"{service.split('/')[0]} is available")
    outcomes = []
    for type in ("get", "set"):
        id = peer.iq("x@proxy.test", type=type)
        answer = peer.receive()
        assert (answer.id, answer.sender) == (id, "x@proxy.test")
        outcomes.append(answer.error)
    speaker.close()
    return outcomes


@needs_bounces
@pytest.mark.parametrize("options", [
    pytest.param({"modules_disabled": ["s2s_auth_certs", "offline"], "s2s_ports": [free_port()]}, id="refuses"),
    pytest.param({}, id="no federation")])
def test_a_server_that_cannot_be_reached(peer_of, options):
    """Nobody listens on that address: to connect there fails at once."""
    hosts = [component("proxy.test", "client_proxy", target_address="service@127.0.0.9"),
             config.Host("Component", "relay.test", None,
                         {"component_secret": COMPONENT_SECRET, "validate_from_addresses": False})]
    with peer_of(hosts, options=options) as peer:
        assert asks_a_remote_service(peer, "service@127.0.0.9/one") == [TIMEOUT, TIMEOUT]
