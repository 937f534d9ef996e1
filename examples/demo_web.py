#!/usr/bin/env python3
"""A bot as people see it: Converse.js in Chromium, through a Prosody of its own. Run: make demo-web

It keeps pictures of what it shows. With --keep the page can be opened in any browser until Ctrl-C.
"""

import argparse
import functools
import http.server
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import urllib.parse

from demonstration import HOST, PASSWORD, end_with_signals, run, show
from harness.config import component
from harness.prosody import Prosody, free_port
from harness.web_service import WebService

ACCOUNT = "alice@localhost"
BOT_HOST = "bot.localhost"
BOT_JID = f"kettle@{BOT_HOST}"
WEB = pathlib.Path(__file__).resolve().parent / "web"
DEADLINE = 180  # seconds


class Files(http.server.SimpleHTTPRequestHandler):
    """Serves the page, and beneath /converse/ what npm has installed."""

    def __init__(self, *arguments, packages, **options):
        self.packages = packages
        super().__init__(*arguments, directory=str(WEB), **options)

    def translate_path(self, path):
        name = urllib.parse.urlsplit(path).path
        if name.startswith("/converse/"):
            self.directory = str(self.packages / "converse.js" / "dist")
            return super().translate_path(name.removeprefix("/converse"))
        return super().translate_path(path)

    def log_message(self, *_):
        """Says nothing: what was asked for is seen in the browser."""


class Website:
    """A context manager: the files that the browser loads, at `url`."""

    def __init__(self, packages):
        handler = functools.partial(Files, packages=packages)
        self._server = http.server.ThreadingHTTPServer((HOST, 0), handler)
        self.url = f"http://{HOST}:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def configuration(service):
    """The component, with everything that makes it a face in a roster."""
    return component(
        BOT_HOST,
        component_post_url=service.url,
        name="Kettle",
        component_avatar=str(WEB / "kettle.png"),
        component_description="Makes tea, and small talk",
        component_post_typing=True,
    )


def demonstrate(prosody_port, site, packages, pictures, keep_running):
    address = {"websocket": f"ws://{HOST}:{prosody_port}/xmpp-websocket", "jid": ACCOUNT, "password": PASSWORD}
    page = f"{site.url}?{urllib.parse.urlencode(address)}"
    if keep_running:
        show("Open this in a browser, and press Ctrl-C here at the end:", page)
        signal.pause()
    pictures.mkdir(parents=True, exist_ok=True)
    shown = subprocess.run(
        ["node", str(packages.parent / "show.mjs"), shutil.which("chromium"), page, BOT_JID, str(pictures.resolve())],
        stdout=subprocess.PIPE, text=True, timeout=DEADLINE)
    show(f"{ACCOUNT} sees in Converse.js (in {pictures}):", shown.stdout)
    return shown.returncode == 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("packages", type=pathlib.Path, help="node_modules with converse.js and puppeteer-core")
    arguments.add_argument("pictures", type=pathlib.Path, help="directory for the pictures")
    arguments.add_argument("--keep", action="store_true", help="go on until Ctrl-C, for a browser of your own")
    arguments = arguments.parse_args()
    end_with_signals()

    http_port = free_port()
    options = {
        "http_ports": [http_port], "https_ports": [], "http_interfaces": [HOST], "http_external_url": f"http://{HOST}/",
        "consider_websocket_secure": True, "cross_domain_websocket": True,
    }
    with Website(arguments.packages) as site, WebService(
            sys.executable, "web/bot.py", "{port}", f"{site.url}kettle.png") as service:
        bot = configuration(service)
        show("A Prosody starts, with this component in its configuration:", bot.section())
        with WebProsody([bot], accounts={ACCOUNT: PASSWORD}, options=options) as prosody:
            demonstration = functools.partial(
                demonstrate, http_port, site, arguments.packages, arguments.pictures, arguments.keep)
            return run(prosody, demonstration, "Not everything was seen.")


class WebProsody(Prosody):
    """With its websocket, which browsers talk to."""

    def options_of_all(self):
        options = super().options_of_all()
        return {**options, "modules_enabled": [*options["modules_enabled"], "websocket", "carbons"]}


sys.exit(main())
