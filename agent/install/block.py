"""The schedule ``default`` that `firstlight install --every` keeps in config.toml, between two marks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agent.config import LARGEST, read_config
from agent.durable import make_folder, write_durably
from agent.paths import State
from checks.errors import BadInput
from checks.rules import ScheduleEntry

BEGIN: Final = (
    "# >>> firstlight install: this schedule is replaced by the next install, and removed by --remove"
)
END: Final = "# <<< firstlight install: settings of your own belong above this block"


def with_block(text: str, entry: ScheduleEntry, where: str) -> str:
    """The configuration with this schedule in the place of an earlier one; raises `BadInput`."""
    before, _, after = _parts(text, where)
    lines = [BEGIN, "[[schedules]]"]
    for field in entry.__struct_fields__:
        value = getattr(entry, field)
        if value:
            lines.append(f"{field} = {_string(value)}")
    block = "\n".join([*lines, END]) + "\n"
    if before and not before.endswith("\n"):
        before += "\n"
    if before and not after and not before.endswith("\n\n"):
        before += "\n"
    new = before + block + after
    try:
        read_config(new.encode(), where)
    except BadInput as error:
        raise BadInput(f"{error}; nothing was written (the schedule of --every goes to its end)") from error
    return new


def without_block(text: str, where: str) -> str:
    """The configuration as it was before; raises `BadInput` for marks that do not belong together."""
    before, block, after = _parts(text, where)
    return (before.rstrip("\n") + "\n" if block and before.strip() else before if not block else "") + after


def read_text(state: State) -> str:
    """The configuration's text; empty where there is none. Raises `BadInput`."""
    try:
        with state.config.open(encoding="utf-8", newline="") as file:
            return file.read(LARGEST + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise BadInput(f"{state.config}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{state.config}: not UTF-8: {error}") from error


def write_text(state: State, text: str, user: str = "") -> None:
    """Replace the configuration as its owner would, remove it for no text; raises `OSError`, `BadInput`."""
    with acting_as(state.root, user):
        if text:
            write_durably(state.config, text.encode())
        else:
            state.config.unlink(missing_ok=True)


@contextmanager
def acting_as(folder: Path, user: str) -> Iterator[None]:
    """Do something in the folder of another account with that account's rights and no more.

    Root does not write into folders that others own: they could lead it elsewhere with a link. Makes the
    folder where it is not there. Raises `BadInput` where it belongs to a third.
    """
    if not user or os.name != "posix":
        State(folder).prepare()
        yield
        return
    import pwd

    account = pwd.getpwnam(user)
    if not folder.exists():
        make_folder(folder)
        os.chown(folder, account.pw_uid, account.pw_gid, follow_symlinks=False)
    if (owner := folder.stat().st_uid) != account.pw_uid:
        raise BadInput(
            f"{folder} belongs to user id {owner}, not to {user} ({account.pw_uid}); "
            f"chown -R {user}: {folder}, or name another with FIRSTLIGHT_STATE"
        )
    group, own = os.getegid(), os.geteuid()
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(own)
        os.setegid(group)


def _parts(text: str, where: str) -> tuple[str, str, str]:
    """What stands before the block, the block, what stands after."""
    begins, ends = text.count(BEGIN), text.count(END)
    if begins == ends == 0:
        return text, "", ""
    start, stop = text.find(BEGIN), text.find(END)
    if begins != 1 or ends != 1 or stop < start:
        raise BadInput(f"{where}: the marks of firstlight install do not belong together; remove those lines")
    after = text[stop + len(END) :]
    return text[:start], text[start : stop + len(END)], after.removeprefix("\r").removeprefix("\n")


def _string(value: str) -> str:
    """A basic string of TOML; control characters do not come here."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
