"""Whose the state folder is. What root writes into the folder of another account locks that account out."""

from __future__ import annotations

import os
from pathlib import Path

from checks.errors import BadInput


def refuse_foreign(folder: Path) -> None:
    """Raise `BadInput` for a folder of another account, with what to type in its place; `OSError` where it
    cannot be seen. Windows keeps to its own rules.
    """
    if os.name != "posix" or (owner := folder.stat().st_uid) == os.geteuid():
        return
    raise BadInput(
        f"{folder} belongs to user id {owner}, not to you ({os.geteuid()}); {remedy(folder, owner)}"
    )


def remedy(folder: Path, owner: int) -> str:
    """What helps whoever met a folder of the account `owner`."""
    name = account_name(owner)
    if name and os.geteuid() == 0:
        return f"type it as {name}: runuser -u {name} -- env FIRSTLIGHT_STATE={folder} firstlight …"
    return "run as that user, or set FIRSTLIGHT_STATE to a folder of your own"


def account_name(owner: int) -> str:
    """The name of an account; empty where nobody has that id."""
    import pwd

    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return ""
