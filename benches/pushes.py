"""The parties that are pushed to over HTTP.

MOD_REST in the environment names a directory with the community's mod_rest; without it that one stays out.
"""

import base64
import os

from harness.config import component, virtual_host
from harness.prosody import free_port

EMPTY, SENDING, PUSH, REST, ANONYMOUS_REST = "empty", "sending", "push", "rest", "anonymous-rest"

NAMES = {
    EMPTY: "empty handler",
    SENDING: "handler that sends",
    PUSH: "component_http",
    REST: "mod_rest",
    ANONYMOUS_REST: "… without password",
}
# Of the hosts, all of one length.
LABELS = {EMPTY: "none", SENDING: "send", PUSH: "push", REST: "rest", ANONYMOUS_REST: "anon"}
MOD_REST = os.environ.get("MOD_REST")
PARTIES = (EMPTY, SENDING, PUSH, *((REST, ANONYMOUS_REST) if MOD_REST else ()))

TOKEN = "a-token-of-the-benchmarks-0123456789"
USER, PASSWORD = "bench", "secret"
PORT = free_port()
OPTIONS = {"http_ports": [PORT], "https_ports": [], "http_interfaces": ["127.0.0.1"]}


def host(party):
    return f"{LABELS[party]}.push.bench.test"


def accounts():
    return {f"{USER}@{host(REST)}": PASSWORD} if MOD_REST else {}


def section(party):
    """The configuration of a party's host."""
    name = host(party)
    if party == REST:
        return virtual_host(name, modules_enabled=["rest"])
    if party == ANONYMOUS_REST:
        return virtual_host(name, modules_enabled=["rest"], authentication="anonymous", anonymous_rest=True)
    if party == PUSH:
        # Nothing is POSTed to the service.
        return component(name, component_post_url="http://127.0.0.1:1/", component_push_tokens=[TOKEN],
                         component_push_rate=1_000_000)
    return component(name, "bench_push", bench_push_sends=party == SENDING)


def target(party):
    """What the load generator has to be told."""
    authorization = {
        PUSH: f"Bearer {TOKEN}",
        REST: "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
    }
    path = {PUSH: "/component_http", REST: "/rest", ANONYMOUS_REST: "/rest"}
    return {"http_port": PORT, "http_host": host(party), "path": path.get(party, "/push"),
            "authorization": authorization.get(party, "none"), **({"silent": None} if party == EMPTY else {})}
