"""What is secret is in no line of the log, whatever happens: every secret here has the same word in it."""

import base64

import pytest

from harness import behaviours
from harness.config import component
from harness.prosody import free_port

WORD = "tellnobody"
SECRET = "whsec_" + base64.b64encode(WORD.encode() * 3).decode()
HEADERS = {"X-Api-Key": WORD}

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
               "component_post_retry_for": 0}
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
    encoded = [WORD, SECRET, base64.b64encode(f"me:{WORD}".encode()).decode(), SECRET.removeprefix("whsec_")]
    told = [str(line) for line in prosody.log() if any(secret in line.text for secret in encoded)]
    assert not told
    assert not any(secret in prosody.tail() for secret in encoded)


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


def test_reload_and_unload(prosody):
    prosody.reload("component_http", "bot.test")
    prosody.unload("component_http", "down.test")
