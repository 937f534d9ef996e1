"""The throwaway Prosody of the benchmarks and the programs around it."""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile

import pushes
from harness.config import external_component
from harness.prosody import Prosody

BENCHES = pathlib.Path(__file__).resolve().parent
PROGRAMS = BENCHES.parent / "target/load/release"
SECRET = "bench"
LOAD_HOST = "load.bench.test"
DEADLINE = 120


def external(host):
    """A component that one of the programs connects as."""
    return external_component(host, SECRET)


class Server(Prosody):
    """Prosody as an admin would run it: no debug log. The load generator's component is always there."""

    def __init__(self, hosts, accounts=None):
        super().__init__([external(LOAD_HOST), *hosts], accounts)
        self._programs = contextlib.ExitStack()

    def configuration(self):
        self.options = {
            "log": {"warn": str(self.log_file)},
            "plugin_paths": [str(BENCHES.parent / "lua"), str(BENCHES / "modules"),
                             *([pushes.MOD_REST] if pushes.MOD_REST else [])],
            "certificates": str(self.directory / "certs"),
            **pushes.OPTIONS,
        }
        return super().configuration()

    def __exit__(self, *failure):
        self._programs.close()
        super().__exit__(*failure)

    def resident(self, peak=False):
        """Resident memory in bytes; `peak`: the most since the start."""
        field = "VmHWM:" if peak else "VmRSS:"
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(field))
        return int(line.split()[1]) * 1024

    def cpu_seconds(self):
        """What all its threads have used of processors (proc(5), utime and stime of /proc/PID/stat)."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect_native(self, host):
        """Starts the native echo component, which ends with the server."""
        command = [PROGRAMS / "echo-component", str(self.component_port), host, SECRET]
        process = self._programs.enter_context(program(command))
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the native component did not connect")

    def load(self, mode, to="", **options):
        """Runs the load generator to its end and returns its report."""
        command = self.load_command(mode, to, pid=self.pid, **options)
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=DEADLINE, check=True)
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def flood(self, to, **options):
        """Sends a flood of messages; its report is there once Prosody has read them, and it stays connected."""
        with program(self.load_command("flood", to, **options), stdin=subprocess.PIPE) as process:
            yield json.loads(process.stdout.readline())

    def load_command(self, mode, to, **options):
        options = {"port": self.component_port, "host": LOAD_HOST, "secret": SECRET, "to": to, **options}
        flags = [text for name, value in options.items()
                 for text in ("--" + name.replace("_", "-"), *([] if value is None else [str(value)]))]
        return [PROGRAMS / "load", mode, *flags]


class Backend:
    """The web service; `url` gives the address for a way to answer and a delay in milliseconds."""

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="prosody-bench-"))
            process = stack.enter_context(program([PROGRAMS / "backend", directory]))
            self.ports = json.loads(process.stdout.readline())
            self.ca_file = f"{directory}/ca.pem"
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *failure):
        self._stack.close()

    def url(self, reply, delay, scheme="http"):
        # Prosody's own client matches certificates against names only.
        address = "localhost" if scheme == "https" else "127.0.0.1"
        return f"{scheme}://{address}:{self.ports[scheme]}/{reply}/{delay}"


@contextlib.contextmanager
def program(command, **options):
    """Runs a program beside this one, and ends it."""
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, **options)
    with process:
        try:
            yield process
        finally:
            process.terminate()
