"""HTTPS: the system's CA store, a private CA, and certificates that must not be accepted."""

import ssl

import pytest

from harness import behaviours, config
from harness.backend import Backend
from harness.bot import Bot
from harness.certificates import Certificates

BAD = ["wrong-name", "expired", "not-yet-valid", "self-signed"]
# Certificates that only their own key has signed, and whether each is taken when the file names it.
NAMED = {"named": {}, "named-authority": {"authority": True}}
NAMED_BAD = {
    "named-wrong-name": {"authority": True, "names": "DNS:other.test"},
    "named-expired": {"authority": True, "end": "20210101000000Z"},
    "named-not-yet-valid": {"authority": True, "start": "20390101000000Z"},
}


@pytest.fixture(scope="module")
def certificates():
    with Certificates() as certificates:
        yield certificates


def answer_in_plain_http(connection, _):
    """What a web server answers that hears TLS on its port for HTTP."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    return False


def hang_up(connection, _):
    connection.recv(65536)
    return False


@pytest.fixture(scope="module")
def services(certificates):
    contexts = {
        "good": certificates.issue("good"),
        "wrong-name": certificates.issue("wrong-name", names="DNS:other.test,IP:127.0.0.2"),
        "expired": certificates.issue("expired", end="20210101000000Z"),
        "not-yet-valid": certificates.issue("not-yet-valid", start="20390101000000Z"),
        "self-signed": certificates.self_signed("self-signed"),
        "tls-1-2": certificates.issue("tls-1-2"),
        "tls-1-3": certificates.issue("tls-1-3"),
    }
    for name, details in {**NAMED, **NAMED_BAD}.items():
        contexts[name] = certificates.self_signed(name, **details)
    # With another key, and the same name in it as the one that the file names.
    contexts["impostor"] = certificates.self_signed("impostor", authority=True, subject="named-authority")
    contexts["tls-1-2"].maximum_version = ssl.TLSVersion.TLSv1_2
    contexts["tls-1-3"].minimum_version = ssl.TLSVersion.TLSv1_3
    services = {name: Backend(tls=context) for name, context in contexts.items()}
    services["plain"] = Backend(on_connection=answer_in_plain_http)
    services["mute"] = Backend(on_connection=hang_up)
    services["by-name"] = Backend(tls=contexts["good"], host="localhost")
    yield services
    for service in services.values():
        service.__exit__()


@pytest.fixture(scope="module")
def ca_file(certificates):
    return str(certificates.ca_file)


def section(name, service, **options):
    url = f"https://{service.url.split('://')[1]}/{name}.test"
    return config.component(f"{name}.test", component_post_url=url, component_post_timeout=3, **options)


@pytest.fixture(scope="module")
def peer_with_ca_file(peer_of, services, ca_file):
    sections = [section(name, service, component_post_ca_file=ca_file) for name, service in services.items()]
    with peer_of(sections) as peer:
        yield peer


@pytest.fixture(scope="module")
def peer_with_named_certificates(peer_of, services, certificates):
    files = {name: name for name in [*NAMED, *NAMED_BAD]} | {"impostor": "named-authority"}
    sections = [section(name, services[name], component_post_ca_file=certificates.file(label))
                for name, label in files.items()]
    with peer_of(sections) as peer:
        yield peer


@pytest.fixture(scope="module")
def peer_with_system_store(peer_of, services):
    with peer_of([section(name, service) for name, service in services.items()]) as peer:
        yield peer


@pytest.fixture(scope="module")
def peer_with_ca_in_the_system_store(peer_of, services, ca_file):
    """OpenSSL's variable names the file that stands for the system's CA store."""
    sections = [section(name, service) for name, service in services.items()]
    with peer_of(sections, environment={"SSL_CERT_FILE": ca_file}) as peer:
        yield peer


def answered(peer, services, name):
    service = Bot(services[name], f"{name}.test")
    service.behave(behaviours.echo)
    peer.say(service.jid, f"over {name}")
    assert peer.receive().body == f"over {name}"
    assert len(service.requests) == 1


def refused(peer, services, name):
    service = Bot(services[name], f"{name}.test")
    position = peer.prosody.log_position()
    sent = peer.say(service.jid, "confidential")
    answer = peer.receive()
    assert (answer.id, answer.error) == (sent, "wait/remote-server-timeout")
    assert not service.requests
    return service.complaint(peer.prosody, position)


@pytest.mark.parametrize("name", ["good", "by-name", "tls-1-2", "tls-1-3"])
def test_private_ca_from_the_file(peer_with_ca_file, services, name):
    answered(peer_with_ca_file, services, name)


@pytest.mark.parametrize("name", BAD)
def test_bad_certificate_is_refused(peer_with_ca_file, services, name):
    assert "certificate" in refused(peer_with_ca_file, services, name).text.lower()


@pytest.mark.parametrize("name", NAMED)
def test_certificate_that_the_file_names_itself(peer_with_named_certificates, services, name):
    answered(peer_with_named_certificates, services, name)


@pytest.mark.parametrize("name", [*NAMED_BAD, "impostor"])
def test_name_and_dates_of_a_named_certificate_count(peer_with_named_certificates, services, name):
    assert "certificate" in refused(peer_with_named_certificates, services, name).text.lower()


@pytest.mark.parametrize("name", ["plain", "mute"])
def test_plain_http_on_an_https_url_is_refused(peer_with_ca_file, services, name):
    assert "is it http://?" in refused(peer_with_ca_file, services, name).text


@pytest.mark.parametrize("name", ["good", *BAD])
def test_private_ca_is_unknown_to_the_system(peer_with_system_store, services, name):
    assert "certificate" in refused(peer_with_system_store, services, name).text.lower()


def test_system_store_is_used(peer_with_ca_in_the_system_store, services):
    answered(peer_with_ca_in_the_system_store, services, "good")


@pytest.mark.parametrize("name", BAD)
def test_system_store_does_not_excuse_a_bad_certificate(peer_with_ca_in_the_system_store, services, name):
    refused(peer_with_ca_in_the_system_store, services, name)


def test_connections_are_kept_over_tls(peer_with_ca_file, services):
    service = Bot(services["good"], "good.test")
    service.behave(behaviours.echo)
    for number in range(10):
        peer_with_ca_file.say(service.jid, str(number))
        assert peer_with_ca_file.receive().body == str(number)
    assert len({request.connection for request in service.requests}) < 4


def test_idle_tls_connection_closed_by_the_service(peer_with_ca_file, services):
    service = Bot(services["good"], "good.test")

    def served_then_closed(exchange):
        behaviours.echo(exchange)
        exchange.close()
    service.behave(served_then_closed)
    for number in range(10):
        peer_with_ca_file.say(service.jid, str(number))
        assert peer_with_ca_file.receive().body == str(number)
        services["good"].wait_until_closed(service.requests[-1].connection)
    assert [request.json["body"] for request in service.requests] == [str(number) for number in range(10)]
