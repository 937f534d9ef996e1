"""What older versions of Prosody cannot do, as marks for the tests that need it: 0.11 brought net.server_epoll,
0.10 mod_carbons, 0.12 util.openmetrics and mod_smacks.
"""

import os

import pytest

from harness.installation import brings, has_module

needs_flush_at_exit = pytest.mark.skipif(
    not brings("net/server_epoll.lua")
    or (os.environ.get("NETWORK_BACKEND") == "libevent" and not brings("util/openmetrics.lua")),
    reason="before 0.11, with libevent before 0.12, Prosody ends without waiting for what it sent")
needs_bounces = pytest.mark.skipif(
    not brings("net/server_epoll.lua"), reason="before 0.11 Prosody drops the errors that a component's stanzas get")
needs_metrics = pytest.mark.skipif(
    not brings("util/openmetrics.lua"), reason="before 0.12 Prosody has no registry of its counters")
needs_smacks = pytest.mark.skipif(not has_module("smacks"), reason="before 0.12 Prosody has no mod_smacks")
needs_carbons = pytest.mark.skipif(not has_module("carbons"), reason="before 0.10 Prosody has no mod_carbons")
