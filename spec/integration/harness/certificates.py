"""Certificates for one test run, made by the openssl command."""

import pathlib
import ssl
import subprocess
import tempfile

LEAF = "[leaf]\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName={names}\n"
CA = "[ca]\ndir={directory}\ndatabase=$dir/index.txt\nserial=$dir/serial\nnew_certs_dir=$dir\n" \
     "default_md=sha256\npolicy=policy\nunique_subject=no\n[policy]\ncommonName=supplied\n"
# What `openssl req -x509` says of a certificate that it signs with its own key.
OWN_AUTHORITY = "[leaf]\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\nsubjectAltName={names}\n"
LOCAL = "DNS:localhost,IP:127.0.0.1"


class Certificates:
    """A private CA in its own directory; `issue` makes server contexts signed by it."""

    def __init__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="certificates-")
        self.directory = pathlib.Path(self._temporary.name)
        self.ca_file = self.directory / "ca.pem"
        (self.directory / "index.txt").touch()
        (self.directory / "serial").write_text("1000\n")
        (self.directory / "ca.cnf").write_text(CA.format(directory=self.directory))
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=Private test CA",
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._temporary.cleanup()

    def issue(self, label, names=LOCAL, start="20200101000000Z", end="20401231235959Z"):
        """A server context with a certificate of the CA for these names and dates."""
        self._request(label, label)
        (self.directory / f"{label}.cnf").write_text(LEAF.format(names=names))
        self._openssl("ca", "-batch", "-config", "ca.cnf", "-name", "ca", "-cert", "ca.pem", "-keyfile", "ca.key",
                      "-in", f"{label}.csr", "-out", f"{label}.pem", "-startdate", start, "-enddate", end,
                      "-extfile", f"{label}.cnf", "-extensions", "leaf", "-notext")
        return self._context(label)

    def self_signed(self, label, names=LOCAL, authority=False, subject=None, start="20200101000000Z",
                    end="20401231235959Z"):
        """A server context with a certificate that only its own key has signed; an `authority` says that it is one."""
        self._request(label, subject or label)
        (self.directory / f"{label}.cnf").write_text((OWN_AUTHORITY if authority else LEAF).format(names=names))
        self._openssl("ca", "-batch", "-config", "ca.cnf", "-name", "ca", "-selfsign", "-keyfile", f"{label}.key",
                      "-in", f"{label}.csr", "-out", f"{label}.pem", "-startdate", start, "-enddate", end,
                      "-extfile", f"{label}.cnf", "-extensions", "leaf", "-notext")
        return self._context(label)

    def file(self, label):
        """The PEM file with that certificate."""
        return str(self.directory / f"{label}.pem")

    def _request(self, label, subject):
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-keyout", f"{label}.key", "-out", f"{label}.csr", "-subj", f"/CN={subject}")

    def _context(self, label):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / f"{label}.pem", self.directory / f"{label}.key")
        return context

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.directory, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
