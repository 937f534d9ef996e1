"""The ways to a service, plain and with each version of TLS, to run the same test over all of them."""

import contextlib
import ssl

from . import config
from .backend import Backend
from .bot import Bot
from .certificates import Certificates

SCHEMES = {
    "http": None,
    "https with TLS 1.2": ssl.TLSVersion.TLSv1_2,
    "https with TLS 1.3": ssl.TLSVersion.TLSv1_3,
}


@contextlib.contextmanager
def backends():
    """A backend for each scheme, and the options that make a component trust them."""
    with contextlib.ExitStack() as stack:
        certificates = stack.enter_context(Certificates())
        made = {}
        for scheme, version in SCHEMES.items():
            context = version and certificates.issue(scheme.replace(" ", "-"))
            if context:
                context.minimum_version = context.maximum_version = version
            made[scheme] = stack.enter_context(Backend(tls=context))
        yield made, {"component_post_ca_file": str(certificates.ca_file)}


def host(scheme):
    return scheme.replace(" ", "-").lower() + ".test"


def section(scheme, backend, **options):
    """A component behind that scheme which sends one request at a time, so that it needs one connection."""
    options.setdefault("component_post_concurrency", 1)
    return config.component(host(scheme), component_post_url=f"{backend.url}/{host(scheme)}", **options)


def bot(scheme, backend):
    return Bot(backend, host(scheme))
