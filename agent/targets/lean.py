"""paramiko without what it does not need: importing it is the dearest part of a check over SSH.

It imports the package invoke for ``Match exec`` in ssh_config alone, which costs a third of the whole import.
"""

from __future__ import annotations

import sys


def import_paramiko(*, invoke: bool) -> None:
    """Import paramiko; without `invoke` it then refuses ``Match exec``."""
    if invoke or "paramiko" in sys.modules or "invoke" in sys.modules:
        import paramiko
    else:
        # None in the table of modules makes an import of that name fail, as if it were not installed.
        sys.modules["invoke"] = None  # type: ignore[assignment]
        try:
            import paramiko
        finally:
            del sys.modules["invoke"]
    del paramiko
