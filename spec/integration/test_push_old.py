"""Prosody 0.9 takes no pushes, and says so; the rest of the component is there."""

import pytest

from harness import behaviours, bot as bots
from harness.installation import brings
from harness.push import TOKEN

pytestmark = pytest.mark.skipif(brings("util/cache.lua"), reason="Prosody 0.10 and later take pushes")


def hosts(backend):
    return [bots.component(backend, component_push_tokens=[TOKEN])]


def test_the_rest_is_there(bot, peer, prosody):
    prosody.wait_for_log("^the option 'component_push_tokens' needs Prosody 0.10 or later", level="error")
    bot.behave(behaviours.echo)
    peer.say(bot.jid, "hello")
    assert peer.receive().body == "hello"
