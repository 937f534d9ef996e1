"""Two Prosodys that speak with each other as servers of different domains do: over s2s, proven by dialback."""

import contextlib
import pathlib

from .prosody import Prosody, free_port

MODULES = pathlib.Path(__file__).with_name("modules")


class Federated(Prosody):
    """A Prosody that reaches others, and is reached, at the ports that `host_ports` gives for the hosts of all."""

    def __init__(self, hosts, host_ports, **arguments):
        super().__init__(hosts, **arguments)
        self._host_ports = host_ports

    def options_of_all(self):
        [s2s_port] = {self._host_ports[host.name] for host in self.hosts}
        options = super().options_of_all()
        return {
            **options,
            "plugin_paths": [*options["plugin_paths"], str(MODULES)],
            "modules_enabled": [*options["modules_enabled"], "dialback", "hosts_of_tests"],
            "modules_disabled": ["s2s_auth_certs", "offline"],
            "host_ports": self._host_ports,
            "s2s_ports": [s2s_port],
            "s2s_require_encryption": False,
            "s2s_secure_auth": False,
        }


@contextlib.contextmanager
def federation(*servers):
    """Starts one Prosody per list of hosts and yields them; accounts go to the one that has their host."""
    host_ports = {}
    for hosts, _ in servers:
        host_ports |= dict.fromkeys((host.name for host in hosts), free_port())
    with contextlib.ExitStack() as running:
        yield [running.enter_context(Federated(hosts, host_ports, accounts=accounts)) for hosts, accounts in servers]
