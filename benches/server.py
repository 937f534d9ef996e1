"""A throwaway Prosody on loopback and the programs around it."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time

BENCHES = pathlib.Path(__file__).resolve().parent
ROOT = BENCHES.parent
PROGRAMS = ROOT / "target/load/release"
SECRET = "bench"
DEADLINE = 30

GLOBAL = """
run_as_root = true
pidfile = "{directory}/prosody.pid"
data_path = "{directory}"
certificates = "{directory}"
plugin_paths = {{ "{root}/lua", "{benches}/modules" }}
log = {{ warn = "{directory}/prosody.log" }}
modules_enabled = {{}}
c2s_ports = {{}}
s2s_ports = {{}}
component_ports = {{ {port} }}
component_interfaces = {{ "127.0.0.1" }}
VirtualHost "bench.test"
"""


class Server:
    """Prosody with the given components, each `(host, module, options)`; no module is XEP-0114."""

    def __init__(self, components):
        self.stack = contextlib.ExitStack()
        self.directory = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="prosody-bench-"))
        self.port = free_port()
        self.log = pathlib.Path(self.directory, "prosody.log")
        configuration = pathlib.Path(self.directory, "prosody.cfg.lua")
        configuration.write_text(
            GLOBAL.format(directory=self.directory, root=ROOT, benches=BENCHES, port=self.port)
            + "".join(component(*each) for each in components)
        )
        environment = dict(os.environ, LUA_CPATH=f"{ROOT}/target/lua/{lua_version()}/?.so;;")
        self.process = subprocess.Popen(
            ["prosody", "-F", "--config", configuration], env=environment, stdout=subprocess.DEVNULL
        )
        self.stack.callback(stop, self.process)

    def __enter__(self):
        try:
            wait_until(self.listens)
        except TimeoutError:
            self.stack.close()
            raise
        return self

    def __exit__(self, *failure):
        self.stack.close()

    def listens(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"Prosody ended with {self.process.returncode}: {self.complaints()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def complaints(self):
        """What Prosody has logged as a warning or an error."""
        return self.log.read_text() if self.log.exists() else ""

    def resident(self, peak=False):
        """Resident memory in bytes; `peak`: the most since the start."""
        field = "VmHWM:" if peak else "VmRSS:"
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(field))
        return int(line.split()[1]) * 1024

    def start(self, program, *arguments, **options):
        """Starts one of the load crate's programs; it ends with the server."""
        process = subprocess.Popen([PROGRAMS / program, *map(str, arguments)], text=True, stdout=subprocess.PIPE, **options)
        self.stack.callback(stop, process)
        return process

    def connect_native(self, host):
        process = self.start("echo-component", self.port, host, SECRET)
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the native component did not connect")

    def load(self, mode, to, **options):
        """Runs the load generator to its end and returns its report."""
        done = subprocess.run(
            self.load_command(mode, to, pid=self.process.pid, **options), stdout=subprocess.PIPE, timeout=120, check=True
        )
        return json.loads(done.stdout)

    def load_command(self, mode, to, **options):
        options = {"port": self.port, "host": "load.bench.test", "secret": SECRET, "to": to, **options}
        flags = [text for name, value in options.items() for text in ("--" + name.replace("_", "-"), str(value))]
        return [PROGRAMS / "load", mode, *flags]


class Backend:
    """The web service; `url` gives the address for a way to answer and a delay in milliseconds."""

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="prosody-bench-")
        self.process = subprocess.Popen(
            [PROGRAMS / "backend", self.directory.name], text=True, stdout=subprocess.PIPE
        )
        self.ports = json.loads(self.process.stdout.readline())
        self.ca_file = f"{self.directory.name}/ca.pem"
        return self

    def __exit__(self, *failure):
        stop(self.process)
        self.directory.cleanup()

    def url(self, reply, delay, scheme="http"):
        # Prosody's own client matches certificates against names only.
        address = "localhost" if scheme == "https" else "127.0.0.1"
        return f"{scheme}://{address}:{self.ports[scheme]}/{reply}/{delay}"


def component(host, module=None, options=None):
    """The component's section of the configuration."""
    head = f'\nComponent "{host}"' + (f' "{module}"' if module else "")
    options = {"component_secret": SECRET} if module is None else options or {}
    return head + "".join(f"\n\t{name} = {json.dumps(value)}" for name, value in options.items()) + "\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def lua_version():
    """The version of the Lua that Prosody runs on, which names the library's directory."""
    built = sorted(path.name for path in (ROOT / "target/lua").glob("*"))
    return os.environ.get("LUA_VERSION") or (built[-1] if built else "5.4")


def stop(process):
    process.terminate()
    try:
        process.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {DEADLINE} s")
        time.sleep(0.02)
