"""The options of mod_client_proxy, and what an unusable value of one leads to."""

import re

import pytest

from harness.config import component, virtual_host

TARGET = {"target_address": "service@localhost"}

# The option that is at fault, and the section's options.
UNUSABLE = {
    "no target": ("target_address", {}),
    "empty target": ("target_address", {"target_address": ""}),
    "no jid": ("target_address", {"target_address": "a@@b//"}),
    "blank in the name": ("target_address", {"target_address": "a b@localhost"}),
    "target too long": ("target_address", {"target_address": "x" * 1024 + "@localhost"}),
    "full jid": ("target_address", {"target_address": "service@localhost/home"}),
    "no user": ("target_address", {"target_address": "localhost"}),
    "own host": ("target_address", {"target_address": "service@own-host.test"}),
    "target a number": ("target_address", {"target_address": 17}),
    "target a table": ("target_address", {"target_address": ["service@localhost"]}),
    "time-out zero": ("proxy_iq_timeout", {**TARGET, "proxy_iq_timeout": 0}),
    "time-out negative": ("proxy_iq_timeout", {**TARGET, "proxy_iq_timeout": -1}),
    "time-out in words": ("proxy_iq_timeout", {**TARGET, "proxy_iq_timeout": "soon"}),
    "time-out a table": ("proxy_iq_timeout", {**TARGET, "proxy_iq_timeout": [1]}),
    "unknown strategy": ("proxy_strategy", {**TARGET, "proxy_strategy": "fastest"}),
    "strategy a number": ("proxy_strategy", {**TARGET, "proxy_strategy": 1}),
}


def host_name(case):
    return re.sub("[^a-z]", "-", case) + ".test"


def hosts(backend):
    return [*(component(host_name(case), "client_proxy", **options) for case, (_, options) in UNUSABLE.items()),
            virtual_host("users.test", modules_enabled=["roster", "client_proxy"], **TARGET),
            component("proxy.test", "client_proxy", target_address="Service@LOCALHOST", proxy_iq_timeout="90",
                      proxy_strategy="sticky")]


def complaints(prosody, host):
    return [line for line in prosody.log() if (line.level in ("error", "warn") and line.source.startswith(host))
            or (host in line.text and line.level == "error")]


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_value_is_one_clear_log_line(prosody, case):
    option, _ = UNUSABLE[case]
    line, = complaints(prosody, host_name(case))
    assert re.match(rf"{host_name(case)}: the option '{option}' (is|must) .{{10,}}", line.text), line
    assert "\n" not in line.text


@pytest.mark.parametrize("case", UNUSABLE)
def test_component_with_an_unusable_value_is_down(peer, case):
    sent = peer.iq(host_name(case))
    refused = peer.receive()
    assert (refused.id, refused.type) == (sent, "error")


def test_beside_accounts_it_is_refused(prosody):
    line, = complaints(prosody, "users.test")
    assert 'Component "proxy.users.test" "client_proxy"' in line.text


def test_usable_values_are_not_complained_about(prosody, peer):
    assert not complaints(prosody, "proxy.test")
    peer.iq("proxy.test")
    assert peer.receive().sender == "proxy.test"
