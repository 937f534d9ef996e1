"""A throwaway Prosody: its own directory, free loopback ports, an admin socket, and a log that can be waited on."""

import contextlib
import ctypes
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile

from . import config
from .admin import AdminShell, AdminTelnet, ShellError
from .installation import REPOSITORY, binary, brings, has_module, library_directory
from .log import Log
from .waiting import DEADLINE, wait_until

COMPONENT_SECRET = "component secret"
PR_SET_CHILD_SUBREAPER = 36
# By whether there is a mod_admin_socket: it came with 0.12, which also took over mod_posix's work.
SHELL_MODULES = {True: ["admin_socket", "admin_shell"], False: ["admin_telnet", "posix"]}
# Up to 0.10 use_libevent decides, later network_backend.
NETWORK_BACKENDS = {
    None: {},
    "select": {"network_backend": "select", "use_libevent": False},
    "libevent": {"network_backend": "event", "use_libevent": True},
    "epoll": {"network_backend": "epoll"},
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prosody:
    """A context manager: `with Prosody([component("bot.test", …)], accounts={…}) as prosody`.

    `accounts` maps bare JIDs to passwords. `environment` is added to the process's. `open_files`
    is how many descriptors it may have.
    The host `localhost` is always there; `peers.test` is a XEP-0114 component for tests to speak through.
    """

    def __init__(self, hosts, accounts=None, options=None, environment=None, daemonise=False,
                 open_files=None):
        self.hosts = list(hosts)
        self.accounts = accounts or {}
        self.options = options or {}
        self.environment = environment or {}
        self.daemonise = daemonise
        self.open_files = open_files
        self.pid = None
        self.exit_status = None
        self._child = None
        self._shell = None

    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="prosody-"))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # How it ends is the matter of tests that call `stop`; here it would only take time.
        if self.pid is not None and self.exit_status is None:
            self._signal(signal.SIGKILL)
            self.wait(DEADLINE)
        if self._shell:
            self._shell.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # Starting and stopping

    def start(self):
        """Starts it, or starts it again after `stop`."""
        self.exit_status = None
        self.c2s_port, self.component_port, self.console_port = free_port(), free_port(), free_port()
        self.log_file = self.directory / "prosody.log"
        self._log = Log(self.log_file)
        for name in ("certs", "data"):
            (self.directory / name).mkdir(exist_ok=True)
        self._write_accounts()
        self.config_file = self.directory / "prosody.cfg.lua"
        self.config_file.write_text(self.configuration(), encoding="utf-8")
        environment = {**os.environ, "LUA_CPATH": f"{library_directory()}/?.so;;", **self.environment}
        with open(self.directory / "output", "wb") as output:
            child = subprocess.Popen(
                [binary(), "--config", str(self.config_file), *self._arguments()],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, preexec_fn=self._limit)
        if self.daemonise:
            self._adopt(child)
        else:
            self._child, self.pid = child, child.pid
        self._shell = wait_until(self._connect_shell, lambda: f"Prosody up\n{self.tail()}")

    def _arguments(self):
        # Older ones know the option `daemonize` instead.
        return ["-D" if self.daemonise else "-F"] if has_module("admin_socket") else []

    def _limit(self):
        if self.open_files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.open_files, self.open_files))

    def _adopt(self, parent):
        """Finds the daemon by its pidfile, as a child of this process, so that its exit status can be had."""
        assert parent.wait(DEADLINE) == 0, self.tail()
        pidfile = self.directory / "prosody.pid"
        self.pid = int(wait_until(lambda: pidfile.exists() and pidfile.read_text(), "a pidfile"))

    def _connect_shell(self):
        if self._child and self._child.poll() is not None:
            raise AssertionError(f"Prosody ended with {self._child.returncode}\n{self.tail()}")
        try:
            shell = (AdminShell(self.directory / "data" / "prosody.sock") if has_module("admin_socket")
                     else AdminTelnet(self.console_port))
        except OSError:
            return None
        shell.run("> prosody.version")
        return shell

    def stop(self, deadline=DEADLINE, busy=False):
        """Sends SIGTERM and returns the exit status (negative: the signal that ended it)."""
        self.terminate(busy)
        return self.wait(deadline)

    def terminate(self, busy=False):
        """Sends SIGTERM when Prosody has nothing else in hand, or without a look at that if it is `busy`.

        Up to 0.12 the handler runs in the middle of whatever Lua code is running. Within a write to a client
        it makes Prosody throw away what that client should still get, within a change of a timer stumble.
        """
        with contextlib.suppress(ShellError, OSError):
            self.shell("> prosody.version")
        if not busy:
            wait_until(self._sleeps, "Prosody waiting for something to do")
        self._signal(signal.SIGTERM)
        if brings("util/fsm.lua") and os.environ.get("NETWORK_BACKEND") == "select":
            self._notice_the_signal()

    def _notice_the_signal(self):
        """Makes Prosody run its main thread, so that it notices a signal.

        From 13.0 on, with select, it handles one when this coroutine runs next, and after the start nothing
        runs it: such a Prosody does not end on SIGTERM alone, with or without the modules that are tested.
        """
        with contextlib.suppress(ShellError, OSError):
            self.shell("> prosody.main_thread:run(function () end)")

    def _signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, deadline):
        self.exit_status = wait_until(
            self._ended, lambda: f"Prosody's end\n{self.tail()}", deadline)[0]
        return self.exit_status

    def _ended(self):
        if self._child:
            status = self._child.poll()
            return None if status is None else (status,)
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return (os.waitstatus_to_exitcode(status),) if pid else None

    def _sleeps(self):
        """Whether the main thread does, or has ended: proc(5), the state in /proc/PID/stat."""
        with contextlib.suppress(FileNotFoundError):
            return pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2][0] in "SZ"
        return True

    def alive(self):
        return self._ended() is None

    # Configuration

    def configuration(self):
        hosts = [config.virtual_host("localhost"),
                 config.external_component("peers.test", COMPONENT_SECRET), *self.hosts]
        return "\n".join([config.assignments(self.options_of_all()), *(host.section() for host in hosts)])

    def options_of_all(self):
        """The options that stand before the first host."""
        return {
            "run_as_root": True,
            "data_path": str(self.directory / "data"),
            "pidfile": str(self.directory / "prosody.pid"),
            "log": {"debug": str(self.log_file)},
            "plugin_paths": [str(REPOSITORY / "lua")],
            "daemonize": self.daemonise,
            "modules_enabled": ["roster", "saslauth", "disco", "ping", *SHELL_MODULES[has_module("admin_socket")]],
            "modules_disabled": ["s2s", "s2s_auth_certs", "offline"],
            "interfaces": ["127.0.0.1"],
            "c2s_ports": [self.c2s_port],
            "component_ports": [self.component_port],
            "console_ports": [self.console_port],
            "c2s_require_encryption": False,
            "allow_unencrypted_plain_auth": True,
            "authentication": "internal_plain",
            **NETWORK_BACKENDS[os.environ.get("NETWORK_BACKEND")],
            **self.options,
        }

    def reconfigure(self, before, after):
        """Changes a line of the configuration file, and has it read."""
        configuration = self.config_file.read_text()
        assert before in configuration
        self.config_file.write_text(configuration.replace(before, after))
        self.shell("config:reload()")

    def _write_accounts(self):
        for jid, password in self.accounts.items():
            name, host = jid.split("@")
            # Of a file's name Prosody escapes all but letters and digits.
            directory = self.directory / "data" / host.replace(".", "%2e") / "accounts"
            directory.mkdir(parents=True, exist_ok=True)
            record = f"return {config.literal({'password': password})};\n"
            (directory / f"{name}.dat").write_text(record, encoding="utf-8")

    # The admin shell

    def shell(self, command):
        """Runs one line of the admin shell and returns its result."""
        if not self._shell:
            raise ShellError("Prosody is not up")
        return self._shell.run(command)

    def reload(self, module, host):
        self._module("reload", module, host)

    def load(self, module, host):
        self._module("load", module, host)

    def unload(self, module, host):
        self._module("unload", module, host)

    def _module(self, verb, module, host):
        result = self.shell(f"module:{verb}({config.literal(module)}, {config.literal(host)})")
        assert "1 host" in result, result

    # What can be seen of it

    def log(self, since=0):
        """The log's entries from a position on."""
        return self._log.entries(since)

    def log_position(self):
        return self._log.position()

    def wait_for_log(self, pattern, **conditions):
        """The first entry of the log that fits (see `Log.wait_for`)."""
        return self._log.wait_for(pattern, **conditions)

    def tail(self):
        """What Prosody printed, and the end of its log."""
        output = self.directory / "output"
        return (output.read_text(errors="replace") if output.exists() else "") + self._log.tail()

    def thread_ids(self):
        return [int(name) for name in os.listdir(f"/proc/{self.pid}/task")]

    def metrics(self):
        """What Prosody measures, as OpenMetrics text; wants `statistics` among the options (0.12 and later)."""
        self.shell('> prosody.events.fire_event("stats-update")')
        return self.shell('> require "core.statsmanager".get_metric_registry():render()')

    def threads(self):
        return len(self.thread_ids())

    def blocked_signals(self, thread):
        """The thread's signal mask; bit n - 1 stands for signal n."""
        status = pathlib.Path(f"/proc/{self.pid}/task/{thread}/status").read_text()
        found = re.search(r"^SigBlk:\s*(\w+)$", status, re.M)
        assert found, f"no signal mask in {status}"
        return int(found.group(1), 16)

    def peak_memory(self):
        """The most octets of memory that it has held so far."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s*(\d+) kB$", status, re.M).group(1)) << 10

    def descriptors(self):
        """How many are open, without those that go with Lua's garbage and what LuaJIT compiled."""
        self.shell('> select("#", (rawget(_G, "jit") or { flush = os.time }).flush(),'
                   " collectgarbage(), collectgarbage())")
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def become_subreaper():
    """Makes orphaned grandchildren children of this process: a daemon's exit status can then be waited for."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
