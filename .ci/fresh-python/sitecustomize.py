"""Hides every installed Python package but slixmpp and what that needs, as on a machine that has run no tests yet.

Python imports this at its start when PYTHONPATH names this directory.
"""

import importlib.machinery
import sys

SHOWN = {"slixmpp", "aiodns", "pyasn1", "pyasn1_modules", "pycares", "_cares", "cffi", "_cffi_backend", "idna",
         "typing_extensions"}
DIRECTORIES = ("dist-packages", "site-packages")


class Hider:
    """Finds nothing itself, and keeps the finders after it from finding what is hidden."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if path is None and name not in SHOWN:
            found = importlib.machinery.PathFinder.find_spec(name)
            if found and found.origin and any(f"/{directory}/" in found.origin for directory in DIRECTORIES):
                raise ModuleNotFoundError(f"No module named {name!r}: a fresh machine does not have it", name=name)


sys.meta_path.insert(0, Hider)
