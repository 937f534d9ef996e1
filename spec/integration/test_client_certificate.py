"""component_post_client_certificate and component_post_client_key: services that ask for a certificate."""

import shutil
import ssl

import pytest

from harness import behaviours, config
from harness.backend import Backend
from harness.bot import Bot
from harness.certificates import Certificates

VERSIONS = {"tls-1-2": ssl.TLSVersion.TLSv1_2, "tls-1-3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(scope="module")
def certificates():
    with Certificates() as certificates:
        yield certificates


@pytest.fixture(scope="module")
def services(certificates):
    """A service for each version of TLS that talks only to those whom the CA knows."""
    made = {}
    for name, version in VERSIONS.items():
        context = certificates.issue(name)
        context.minimum_version = context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates.ca_file)
        made[name] = Backend(tls=context)
    yield made
    for service in made.values():
        service.__exit__()


@pytest.fixture(scope="module")
def files(certificates, tmp_path_factory):
    """A directory with the certificate of a stranger."""
    directory = tmp_path_factory.mktemp("client")
    certificates.self_signed("stranger")
    put(certificates, "stranger", directory)
    return directory


def put(certificates, label, directory):
    for suffix in ("pem", "key"):
        shutil.copy(certificates.directory / f"{label}.{suffix}", directory / f"client.{suffix}")


@pytest.fixture(scope="module")
def presented(peer_of, services, certificates, files):
    certificates.issue("client")
    known = {"component_post_client_certificate": certificates.file("client"),
             "component_post_client_key": str(certificates.directory / "client.key")}
    changing = {"component_post_client_certificate": str(files / "client.pem"),
                "component_post_client_key": str(files / "client.key")}
    sections = [
        config.component(f"{kind}-{name}.test", component_post_url=f"{service.url}/{kind}-{name}.test",
                         component_post_ca_file=str(certificates.ca_file), component_post_timeout=20,
                         component_post_retry_for=0, **options)
        for name, service in services.items()
        for kind, options in {"known": known, "none": {}, "changing": changing}.items()]
    with peer_of(sections) as peer:
        yield peer


def answered(presented, bot):
    bot.behave(behaviours.echo)
    presented.say(bot.jid)
    assert presented.receive().body == "hello"


def refused(presented, bot, reason):
    position = presented.prosody.log_position()
    presented.say(bot.jid)
    assert presented.receive().error == "wait/remote-server-timeout"
    assert not bot.requests
    bot.complaint(presented.prosody, position, reason)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_that_the_service_knows(presented, services, version):
    answered(presented, Bot(services[version], f"known-{version}.test"))
    presented.prosody.wait_for_log("POSTs message to .*, with a client certificate$",
                                   source=f"known-{version}.test:component_http")


@pytest.mark.parametrize("version, reason", [
    # Before TLS 1.3 services had no word of their own for it.
    ("tls-1-2", "received fatal alert: HandshakeFailure"),
    ("tls-1-3", "the service asks for a client certificate"),
])
def test_without_a_certificate(presented, services, version, reason):
    refused(presented, Bot(services[version], f"none-{version}.test"), f"no connection to the service: {reason}")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reload_reads_the_files_again(presented, services, certificates, files, version):
    put(certificates, "stranger", files)
    presented.prosody.reload("component_http", f"changing-{version}.test")
    bot = Bot(services[version], f"changing-{version}.test")
    refused(presented, bot, "the service does not take the client certificate: UnknownCA")
    put(certificates, "client", files)
    presented.prosody.reload("component_http", bot.host)
    answered(presented, bot)
