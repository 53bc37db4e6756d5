"""Who sits at this machine."""

from __future__ import annotations

import os
from contextlib import suppress


def login() -> str:
    """Who it is as far as the system knows, not who they are by law; empty where it does not."""
    for name in ("SUDO_USER", "LOGNAME", "USER", "USERNAME"):
        if found := os.environ.get(name):
            return found
    if hasattr(os, "getuid"):
        import pwd

        with suppress(KeyError):
            return pwd.getpwuid(os.getuid()).pw_name
    return ""


def account() -> str:
    """Whose rights this process has: the name of the account, or its number where it has none."""
    if not hasattr(os, "geteuid"):
        return login()
    import pwd

    with suppress(KeyError):
        return pwd.getpwuid(os.geteuid()).pw_name
    return f"user id {os.geteuid()}"
