"""component_post_proxy: a request goes through a proxy, and everything else is as without one."""

import socket

import pytest

from harness import behaviours, config
from harness.backend import Backend
from harness.bot import Bot
from harness.certificates import Certificates
from harness.prosody import free_port
from harness.proxy import Proxy
from harness.waiting import wait_until

PROXIES = ["http", "socks5"]
SERVICES = ["plain", "tls"]
WAYS = [f"{scheme}-{service}" for scheme in PROXIES for service in SERVICES]


@pytest.fixture(scope="module")
def proxies():
    with Proxy("http") as http, Proxy("socks5") as socks5:
        yield {"http": http, "socks5": socks5}


@pytest.fixture(scope="module")
def services():
    with Certificates() as certificates, Backend() as plain, Backend(tls=certificates.issue("good")) as tls:
        yield {"plain": plain, "tls": tls}, {"component_post_ca_file": str(certificates.ca_file)}


@pytest.fixture(scope="module")
def mute():
    """A proxy that takes every connection and never says a word; gives it and its connections."""
    connections = []

    def keep(connection, _):
        connections.append(connection)
        while connection.recv(65536):
            pass
    with Backend(on_connection=keep) as proxy:
        yield proxy, connections


def refusing(connection, _):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    return False


@pytest.fixture(scope="module")
def proxied(peer_of, proxies, services, mute):
    made, options = services
    plain = made["plain"].url

    def section(name, url, proxy, **more):
        return config.component(name, component_post_url=f"{url}/{name}", component_post_proxy=proxy,
                                component_post_timeout=20, component_post_retry_for=0, **options, **more)
    sections = [section(f"{scheme}-{name}.test", service.url, proxies[scheme].secret_url)
                for scheme in PROXIES for name, service in made.items()]
    sections += [section(f"stranger-{scheme}.test", plain, f"{scheme}://me:wrong@127.0.0.1:{proxies[scheme].port}")
                 for scheme in PROXIES]
    with Backend(on_connection=refusing) as refuses:
        sections += [
            section("nowhere.test", plain, f"http://127.0.0.1:{free_port()}"),
            section("refused.test", plain, refuses.url),
            section("mute.test", plain, mute[0].url, component_post_connect_timeout=1),
        ]
        with peer_of(sections) as peer:
            yield peer


@pytest.mark.parametrize("way", WAYS)
def test_requests_go_through_the_proxy_and_their_connection_is_kept(proxied, proxies, services, way):
    scheme, name = way.split("-")
    service, proxy = services[0][name], proxies[scheme]
    bot = Bot(service, f"{way}.test")
    bot.behave(behaviours.echo)
    before = proxy.led_to(service.port)
    for number in range(3):
        proxied.say(bot.jid, str(number))
        assert proxied.receive().body == str(number)
    assert proxy.led_to(service.port) - before == len({request.connection for request in bot.requests}) < 3
    # What is the proxy's stays with the proxy.
    assert not [name for name, _ in bot.requests[0].headers if name.lower().startswith("proxy")]


@pytest.mark.parametrize("host, reason", [
    ("stranger-http.test", "the proxy does not take its user and password"),
    ("stranger-socks5.test", "the proxy closed the connection"),
    ("nowhere.test", "no connection to the proxy: Connection refused"),
    ("refused.test", "the proxy does not lead to the service: HTTP status 403"),
    ("mute.test", "it took longer than component_post_connect_timeout allows"),
])
def test_a_proxy_that_does_not_lead_to_the_service(proxied, services, host, reason):
    bot = Bot(services[0]["plain"], host)
    position = proxied.prosody.log_position()
    sent = proxied.say(bot.jid)
    answer = proxied.receive()
    assert (answer.id, answer.error) == (sent, "wait/remote-server-timeout")
    assert not bot.requests
    bot.complaint(proxied.prosody, position, f"no connection to the service: ({reason})")


def test_what_is_on(proxied, proxies):
    for scheme, proxy in proxies.items():
        line = proxied.prosody.wait_for_log("POSTs message to ", source=f"{scheme}-plain.test:component_http")
        assert line.text.endswith(f", through the proxy {proxy.address}")


@pytest.mark.parametrize("end", ["unload", "stop"])
def test_nobody_waits_for_a_proxy_at_the_end(serve, services, mute, end):
    proxy, connections = mute
    known = len(connections)
    served = serve(config.component("mute.test", component_post_url=services[0]["plain"].url,
                                    component_post_proxy=proxy.url, component_post_connect_timeout=600,
                                    component_post_timeout=600))
    peer = served.peer()
    sent = peer.say("bot@mute.test")
    wait_until(lambda: len(connections) > known, "a connection to the proxy")
    if end == "unload":
        served.prosody.unload("component_http", "mute.test")
        bounce = peer.receive()
        assert (bounce.id, bounce.error) == (sent, "wait/remote-server-timeout")
        wait_until(lambda: is_closed(connections[known]), "the connection's end")
    assert served.prosody.stop(deadline=5) == 0


def is_closed(connection):
    """Whether the other side has ended it, or this one has seen that."""
    try:
        return connection.fileno() < 0 or connection.recv(1, socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
