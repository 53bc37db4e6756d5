"""The first lines of the standalone build: what PyInstaller changed about this process is put back.

Its bootloader prepends its own libraries to LD_LIBRARY_PATH, which the loader has read by now. Whatever is
started from here on (a command of a check, systemctl, ssh's helpers) has to find the machine's libraries.
"""

from __future__ import annotations

import os
import sys


def put_back() -> None:
    """The environment as whoever started us gave it, and Python's own way of finding modules.

    All modules lie as files, so the ordinary finder finds them, and lists them too.
    """
    theirs = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if theirs is not None:
        os.environ["LD_LIBRARY_PATH"] = theirs
    else:
        os.environ.pop("LD_LIBRARY_PATH", None)
    for name in [name for name in os.environ if name.startswith("_PYI_")]:
        del os.environ[name]
    sys.path_hooks[:] = [
        hook for hook in sys.path_hooks if getattr(hook, "__module__", "") != "pyimod02_importers"
    ]
    sys.path_importer_cache.clear()


if __name__ == "__main__":
    put_back()
    from agent.cli import console

    console()
