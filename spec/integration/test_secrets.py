"""What is secret is in no line of the log, no metric, no page and no table of the shell, whatever happens: every secret
here has the same word in it.
"""

import base64

import pytest

from harness import behaviours, push
from harness.config import component
from harness.installation import brings
from harness.prosody import free_port

WORD = "tellnobody"
SECRET = "whsec_" + base64.b64encode(WORD.encode() * 3).decode()
HEADERS = {"X-Api-Key": WORD}
TOKEN = f"{WORD}-{WORD}-{WORD}"
ENCODED = [WORD, SECRET, base64.b64encode(f"me:{WORD}".encode()).decode(), SECRET.removeprefix("whsec_")]
HTTP = push.options()
HAS_SHELL = brings("util/openmetrics.lua")  # from 0.12 on, as metrics have names of their own
OPTIONS = {**HTTP, "statistics": "internal", "statistics_interval": "manual"}
if HAS_SHELL:
    OPTIONS["modules_enabled"] = ["roster", "saslauth", "disco", "ping", "admin_socket", "admin_shell",
                                  "http_openmetrics"]

# Every option that may hold a secret, and values that cannot be used: each is to be complained about.
UNUSABLE = {
    "url": {"component_post_url": f"ftp://me:{WORD}@127.0.0.1/{WORD}?{WORD}"},
    "proxy": {"component_post_proxy": f"https://me:{WORD}@127.0.0.1/"},
    "long-proxy": {"component_post_proxy": f"socks5://me:{WORD * 30}@127.0.0.1/"},
    "secret": {"component_post_secret": WORD},
    "short-secret": {"component_post_secret": "whsec_" + base64.b64encode(WORD.encode()).decode()},
    "header": {"component_post_headers": {"Content-Type": WORD}},
    "header-line": {"component_post_headers": {"X-Api-Key": f"{WORD}\n{WORD}"}},
    "two-authorizations": {"component_post_url": f"http://me:{WORD}@127.0.0.1:9/",
                           "component_post_headers": {"Authorization": WORD}},
}


def hosts(backend):
    host = backend.url.removeprefix("http://")
    secrets = {"component_post_secret": SECRET, "component_post_headers": HEADERS, "component_post_timeout": 5,
               "component_post_retry_for": 0, "component_push_tokens": [TOKEN]}
    return [
        component("bot.test", component_post_url=f"http://me:{WORD}@{host}/bot.test?{WORD}", **secrets),
        component("down.test", component_post_url=f"http://me:{WORD}@127.0.0.1:{free_port()}/{WORD}?{WORD}", **secrets),
        component("proxied.test", component_post_url=f"https://me:{WORD}@{host}/{WORD}",
                  component_post_proxy=f"http://me:{WORD}@{host}", **secrets),
        *(component(f"{name}.test", **{"component_post_url": "http://127.0.0.1:9/", **options})
          for name, options in UNUSABLE.items()),
    ]


@pytest.fixture(autouse=True)
def nothing_is_told(prosody):
    yield
    assert not [str(line) for line in prosody.log() if is_told(line.text)]
    assert not is_told(prosody.tail())


def is_told(text):
    return any(secret in text for secret in ENCODED)


@pytest.mark.parametrize("behaviour", [
    behaviours.echo, behaviours.respond(404),
    behaviours.not_as_described(behaviours.respond(200, "{", content_type="application/json")), behaviours.reset,
    behaviours.close, behaviours.raw(b"no http\r\n\r\n")])
def test_exchanges(prosody, bot, peer, behaviour):
    bot.behave(behaviour)
    peer.say(bot.jid)
    assert peer.receive()
    assert WORD in bot.request().query


@pytest.mark.parametrize("host", ["down.test", "proxied.test"])
def test_services_that_cannot_be_reached(prosody, peer, host):
    peer.say(f"bot@{host}")
    assert peer.receive().error == "wait/remote-server-timeout"


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_values(prosody, name):
    prosody.wait_for_log(f"^{name}.test: the option 'component_post_\\w+' ", level="error")


@pytest.mark.skipif(not HAS_SHELL, reason="before 0.12 Prosody has another shell, and no registry of its counters")
@pytest.mark.not_as_described("pushes without a body")
def test_metrics_pages_and_the_shell(prosody, bot, peer):
    """After failures of every kind, which the tests before have made."""
    peer.say("bot@down.test")
    assert peer.receive().error
    [port] = HTTP["http_ports"]
    service = push.Service(port, token=TOKEN)
    assert service.push({"to": peer.jid, "body": "pushed"}).status == 202
    pages = [service.request(method="GET", path=path, Host=host).body.decode(errors="replace")
             for host, path in [("bot.test", "/openapi.json"), ("bot.test", "/nothing"), ("bot.test", "")]]
    pages.append(service.request(Authorization=f"Bearer {WORD}").body.decode())
    service.connection.request("GET", "/metrics", headers={"Host": "localhost"})
    pages.append(service.connection.getresponse().read().decode())
    service.close()
    assert "failures_total" in pages[-1]
    tables = [prosody.shell(f'component_http:{command}("{host}")')
              for host in ("bot.test", "down.test", "proxied.test") for command in ("status", "failures", "retry")]
    tables.append(prosody.shell('component_http:drop("down.test", "romeo@peers.test")'))
    tables.append(prosody.shell('stats:show("component_http")'))
    assert any("no connection to the service" in table for table in tables)
    assert not [text for text in [*pages, *tables, prosody.metrics()] if is_told(text)]


def test_reload_and_unload(prosody):
    prosody.reload("component_http", "bot.test")
    prosody.unload("component_http", "down.test")
