"""Each configuration that the documents show comes up as it stands, and the certificate that they show how to make is
trusted.
"""

import dataclasses
import re
import ssl
import subprocess

import pytest

from harness import behaviours
from harness.backend import Backend
from harness.bot import Bot
from harness.installation import REPOSITORY, document

DOCUMENTS = ("README.markdown", "examples/README.markdown", "docs/component_http.markdown",
             "docs/client_proxy.markdown", "docs/running.markdown", "docs/security.markdown")
CA_FILE = "/etc/prosody/certs/bot.pem"
PICTURE, ANY_PICTURE = "/etc/prosody/weather.png", str(REPOSITORY / "examples/web/kettle.png")


@dataclasses.dataclass(frozen=True)
class Shown:
    """A section of prosody.cfg.lua as a document has it, under another host's name."""

    path: str
    lines: str
    host: str

    def section(self):
        return re.sub(r'"[^"]*"', f'"{self.host}"', self.lines, count=1).replace(PICTURE, ANY_PICTURE)

    @property
    def module(self):
        return re.search(r'"(component_http|client_proxy)"', self.lines)[1]


def sections():
    """All of them, each under a name of its own."""
    for path in DOCUMENTS:
        for lines in re.findall(r'^    (?:Component|VirtualHost) ".*\n(?:     +\S.*\n)+', document(path), re.M):
            yield path, lines


SECTIONS = [Shown(path, lines, f"host{number}.example") for number, (path, lines) in enumerate(sections())]
PLAIN = [section for section in SECTIONS if CA_FILE not in section.lines]


def hosts(_):
    return PLAIN


def test_each_document_shows_one():
    assert {section.path for section in SECTIONS} == set(DOCUMENTS)


@pytest.mark.parametrize("section", PLAIN, ids=lambda section: section.path)
def test_it_comes_up(prosody, section):
    prosody.wait_for_log("^(POSTs|Serves with the clients of) ", source=f"{section.host}:{section.module}")


def openssl(command, directory, address="localhost"):
    """Runs that command as it is shown, but for the name of the service's machine."""
    [line] = re.findall(rf"^    (openssl {command} (?:.*\\\n)*.*)$", document("docs/running.markdown"), re.M)
    line = line.replace("bot.internal:8443", address).replace("bot.internal", "localhost")
    return subprocess.run(line, shell=True, cwd=directory, capture_output=True, text=True)


@pytest.fixture
def service(tmp_path):
    """A web service with the certificate that is shown, made for localhost."""
    made = openssl("req", tmp_path)
    assert made.returncode == 0, made.stderr
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "bot.pem", tmp_path / "bot.key")
    with Backend(tls=context, host="localhost") as backend:
        yield backend


def test_the_certificate_that_is_shown_is_trusted_by_its_file(service, peer_of, tmp_path):
    [section] = [section for section in SECTIONS if CA_FILE in section.lines]
    lines = section.lines.replace("https://bot.internal:8443/", f"{service.url}/{section.host}")
    section = dataclasses.replace(section, lines=lines.replace(CA_FILE, str(tmp_path / "bot.pem")))
    bot = Bot(service, section.host)
    bot.behave(behaviours.echo)
    with peer_of([section]) as peer:
        peer.say(bot.jid, "over TLS")
        assert peer.receive().body == "over TLS"


def test_the_command_that_is_shown_sees_the_certificate(service, tmp_path):
    seen = openssl("s_client", tmp_path, f"127.0.0.1:{service.port}")
    assert "Verification: OK" in seen.stdout, seen
