"""A service that cannot be connected to, and the end of the component meanwhile: nobody waits for the connections."""

import pytest

from harness import config
from harness.unanswering import Unanswering
from limits import needs_flush_at_exit

MODULE = "component_http"
HOSTS = [f"bot{number}.test" for number in range(10)]
SENDERS = 8


@pytest.fixture
def unanswering():
    with Unanswering() as address:
        yield address


@pytest.fixture
def opening(serve, unanswering):
    """Ten components, each of which opens connections, and the users who wait for them with the ids of their
    messages.
    """
    served = serve(*(config.component(host, component_post_url=unanswering.url, component_post_connect_timeout=600,
                                      component_post_timeout=600) for host in HOSTS))
    senders = [served.peer() for _ in range(SENDERS)]
    ids = {sender: [sender.say(f"bot@{host}") for host in HOSTS] for sender in senders}
    unanswering.wait_for_connections(len(HOSTS) * SENDERS)
    return served, ids


def test_unload_interrupts_what_is_being_opened(opening, unanswering):
    served, ids = opening
    for host in HOSTS:
        served.prosody.unload(MODULE, host)
    for sender, sent in ids.items():
        bounces = [sender.receive() for _ in sent]
        assert [bounce.id for bounce in bounces] == sent
        assert {bounce.error for bounce in bounces} == {"wait/remote-server-timeout"}
    unanswering.wait_for_connections(0)
    assert served.echoes()
    assert served.prosody.stop() == 0


def test_unload_interrupts_what_was_begun_before_a_reload_too(opening, unanswering):
    served, ids = opening
    for host in HOSTS:
        served.prosody.reload(MODULE, host)
    unanswering.wait_for_connections(len(HOSTS) * SENDERS)
    for host in HOSTS:
        served.prosody.unload(MODULE, host)
    for sender, sent in ids.items():
        assert [sender.receive().id for _ in sent] == sent
    unanswering.wait_for_connections(0)


@needs_flush_at_exit
def test_sigterm_waits_for_no_connection(opening):
    served, _ = opening
    user = served.alice()
    for host in HOSTS:
        user.message(f"bot@{host}", "<body>hello</body>", type="chat", id=host)
    served.until_pong()
    assert served.prosody.stop(deadline=5) == 0
    assert sorted(bounce.id for bounce in user.inbox.until_closed()) == sorted(HOSTS)
