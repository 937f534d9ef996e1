"""The options of mod_client_proxy, and what an unusable value of one leads to."""

import re

import pytest

from harness.config import component, virtual_host

TARGET = {"target_address": "service@localhost"}

# One of each way from the configuration to the log: the option that is at fault, and the section's options. What else
# is unusable is in src/client_proxy/settings.rs.
UNUSABLE = {
    "no target": ("target_address", {}),
    "no jid": ("target_address", {"target_address": "a@@b//"}),
    "own host": ("target_address", {"target_address": "service@own-host.test"}),
    "target a table": ("target_address", {"target_address": ["service@localhost"]}),
    "time-out in words": ("proxy_iq_timeout", {**TARGET, "proxy_iq_timeout": "soon"}),
    "retry too soon": ("proxy_try_timeout", {**TARGET, "proxy_try_timeout": 0.01}),
    "unknown stanzas": ("proxy_stanzas", {**TARGET, "proxy_stanzas": ["iq", "messages"]}),
    "unknown strategy": ("proxy_strategy", {**TARGET, "proxy_strategy": "fastest"}),
}


def host_name(case):
    return re.sub("[^a-z]", "-", case) + ".test"


def hosts(backend):
    return [*(component(host_name(case), "client_proxy", **options) for case, (_, options) in UNUSABLE.items()),
            virtual_host("users.test", modules_enabled=["roster", "client_proxy"], **TARGET),
            component("proxy.test", "client_proxy", target_address="Service@LOCALHOST", proxy_iq_timeout="90",
                      proxy_strategy="sticky"),
            component("once.test", "client_proxy", target_address="service@localhost", proxy_try_timeout=0)]


def complaints(prosody, host):
    return [line for line in prosody.log() if (line.level in ("error", "warn") and line.source.startswith(host))
            or (host in line.text and line.level == "error")]


@pytest.mark.parametrize("case", UNUSABLE)
def test_component_with_an_unusable_value_is_down_and_one_clear_line_says_why(prosody, peer, case):
    option, _ = UNUSABLE[case]
    host = host_name(case)
    line, = complaints(prosody, host)
    assert re.match(rf"{host}: the option '{option}' (is|must) .{{10,}}", line.text), line
    assert "\n" not in line.text
    sent = peer.iq(host)
    refused = peer.receive()
    assert (refused.id, refused.type) == (sent, "error")


def test_beside_accounts_it_is_refused(prosody):
    line, = complaints(prosody, "users.test")
    assert 'Component "proxy.users.test" "client_proxy"' in line.text


@pytest.mark.parametrize("host, settings", [
    ("proxy.test", "chosen by sticky, 90 s for each request, a get to another client too after 15 s"),
    ("once.test", "chosen by random, 120 s for each request, to one client only")])
def test_usable_values_are_told_and_not_complained_about(prosody, peer, host, settings):
    assert not complaints(prosody, host)
    line = f"Serves with the clients of service@localhost: {settings}"
    prosody.wait_for_log(line, source=f"{host}:client_proxy", level="info")
    peer.iq(host)
    assert peer.receive().sender == host
