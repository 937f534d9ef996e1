"""What web services are written with, in environments of their own that `make services` sets up."""

import shutil

import pytest

from .installation import REPOSITORY

SERVICES = REPOSITORY / "target" / "services"
MODULES = SERVICES / "node_modules"


def packages():
    """Where those for Python are."""
    found = list(SERVICES.glob("python/lib/python3*/site-packages"))
    assert found, f"{SERVICES} is not there: run `make services` first"
    return [str(path) for path in found]


def python():
    """The Python that has the packages of services/requirements.txt."""
    command = SERVICES / "python" / "bin" / "python"
    assert command.exists(), f"{command} is not there: run `make services` first"
    return str(command)


def node():
    """Node.js; what NODE_PATH has to say for the packages of services/package.json is `MODULES`."""
    for command in ("node", "npm"):
        if not shutil.which(command):
            pytest.skip(f"{command} is not installed")
    assert MODULES.exists(), f"{MODULES} is not there: run `make services` first"
    return "node"
