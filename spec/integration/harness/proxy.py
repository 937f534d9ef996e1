"""A proxy as a process of its own that asks for a user and a password: pproxy, which is nobody's of this project."""

from .services import python
from .web_service import WebService

USER, PASSWORD = "proxy user", "pass:word"


class Proxy(WebService):
    """A context manager: `with Proxy("socks5") as proxy`. It knows the schemes http and socks5."""

    def __init__(self, scheme):
        listen = f"{scheme}://127.0.0.1:{{port}}#{USER}:{PASSWORD}"
        # By itself it asks each address once only.
        super().__init__(python(), "-u", "-m", "pproxy", "-v", "--auth", "0", "-l", listen)
        self.address = f"{scheme}://127.0.0.1:{self.port}"
        self.secret_url = f"{scheme}://proxy%20user:pass%3Aword@127.0.0.1:{self.port}"

    def led_to(self, port):
        """How many connections it has led to that port."""
        return self.output().count(f"-> 127.0.0.1:{port}")
