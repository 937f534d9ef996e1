"""What is compared: the parties, and the settings in which they run."""

import dataclasses

import pushes
from harness.config import component
from server import external

ECHO, NATIVE, NETHTTP, HTTP, SIGNED = "echo", "native", "nethttp", "component_http", "signed"
DIRECT, PROXY = "direct", "client_proxy"

NAMES = {
    ECHO: "in-process echo",
    NATIVE: "native XEP-0114",
    NETHTTP: "pure-Lua net.http",
    HTTP: "component_http",
    SIGNED: "… with signatures",
    DIRECT: "direct routing",
    PROXY: "client_proxy",
    **pushes.NAMES,
}
LABELS = {ECHO: "echo", NATIVE: "xmpp", NETHTTP: "lua5", HTTP: "rust", SIGNED: "sign"}
MODULES = {ECHO: "bench_echo", NETHTTP: "bench_nethttp", HTTP: "component_http", SIGNED: "component_http"}
SIGNING = {"component_post_secret": "whsec_" + "bench" * 8}

TARGET_HOST = "target.bench.test"
IMPLEMENTATION = f"implementation@{TARGET_HOST}/bench"
PROXY_HOST = "proxy.bench.test"


@dataclasses.dataclass(frozen=True)
class Setting:
    """One comparison: the same load on each of the parties, in turn."""

    name: str
    title: str
    parties: tuple
    outstanding: int = 64
    size: int = 20
    reply: str = "body"
    delay: int = 0
    scheme: str = "http"
    senders: int | None = None
    load: str = "iqs"
    rounds: int = 3

    def host(self, party):
        """The component of `party` in this setting.

        All names have the same length: what a stanza costs Prosody depends on that of its addresses.
        """
        return f"{LABELS[party]}-{self.reply[0]}{self.delay:02}{self.scheme[-1]}.bench.test"


MESSAGES = (ECHO, NATIVE, NETHTTP, HTTP)
OVER_HTTP = (NETHTTP, HTTP)

SETTINGS = (
    Setting("outstanding-64", "64 outstanding, 20 B, reply by body", MESSAGES, rounds=7),
    Setting("outstanding-1", "1 outstanding", MESSAGES, outstanding=1, rounds=5),
    Setting("outstanding-512", "512 outstanding", MESSAGES, outstanding=512),
    Setting("ordered", "64 outstanding from 8 senders", (ECHO, HTTP), senders=8),
    Setting("body-2k", "bodies of 2 kB", MESSAGES, size=2_000),
    Setting("body-100k", "16 outstanding, bodies of 100 kB", MESSAGES, outstanding=16, size=100_000),
    Setting("by-stanza", "reply by stanza", (ECHO, *OVER_HTTP), reply="stanza"),
    Setting("backend-20ms", "backend takes 20 ms", OVER_HTTP, delay=20),
    Setting("signed", "64 outstanding, signed and not", (HTTP, SIGNED), rounds=7),
    Setting("tls", "backend over TLS", OVER_HTTP, scheme="https"),
    Setting("iq-64", "iq, 64 outstanding", (DIRECT, PROXY), rounds=5),
    Setting("iq-1", "iq, 1 outstanding", (DIRECT, PROXY), outstanding=1),
    Setting("chat-64", "chat, 64 outstanding", (DIRECT, PROXY), load="chats", rounds=5),
    Setting("push-64", "64 pushes outstanding", pushes.PARTIES, load="pushes", rounds=5),
    Setting("push-250k", "4 pushes of 250 kB outstanding", (pushes.EMPTY, pushes.SENDING, pushes.PUSH), outstanding=4,
            size=250_000, load="pushes"),
)


def hosts(settings, backend):
    """The hosts that the settings need."""
    found = {}
    for setting in settings:
        for party in setting.parties:
            if party in pushes.PARTIES:
                found[pushes.host(party)] = pushes.section(party)
            if party in (DIRECT, PROXY):
                found[TARGET_HOST] = external(TARGET_HOST)
            if party == PROXY:
                found[PROXY_HOST] = component(
                    PROXY_HOST, "client_proxy", target_address=IMPLEMENTATION.split("/")[0],
                    proxy_stanzas=["iq", "message"])
            if party == NATIVE:
                found[setting.host(party)] = external(setting.host(party))
            if party in MODULES:
                found[setting.host(party)] = component(
                    setting.host(party), MODULES[party], **options(setting, party, backend))
    return list(found.values())


def options(setting, party, backend):
    """The options of a component that has a backend."""
    if party not in (*OVER_HTTP, SIGNED):
        return {}
    chosen = {"component_post_url": backend.url(setting.reply, setting.delay, setting.scheme)}
    if setting.scheme == "https":
        chosen["component_post_ca_file"] = backend.ca_file
    if party == SIGNED:
        chosen.update(SIGNING)
    return chosen
