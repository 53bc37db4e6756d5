"""paramiko without what it does not need: importing it is the dearest part of a check over SSH.

It imports the package invoke for ``Match exec`` in ssh_config alone, which costs a third of the whole import;
`agent.targets.sshconfig` runs such a command itself.
"""

from __future__ import annotations

import sys


def import_paramiko() -> None:
    """Import paramiko as if the package invoke were not installed."""
    if "paramiko" in sys.modules or "invoke" in sys.modules:
        return
    # None in the table of modules makes an import of that name fail.
    sys.modules["invoke"] = None  # type: ignore[assignment]
    try:
        import paramiko
    finally:
        del sys.modules["invoke"]
    del paramiko
