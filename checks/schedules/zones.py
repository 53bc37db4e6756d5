"""Time zones by name, and the machine's own."""

from __future__ import annotations

import os
from datetime import datetime, tzinfo
from pathlib import Path

from checks.errors import BadInput

LOCALTIME = Path("/etc/localtime")


def zone_of(name: str) -> tzinfo:
    """The zone of an IANA name such as ``Europe/Berlin``, this machine's for none; raises `BadInput`."""
    if not name:
        return local_zone()
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput(
            f"timezone {name!r:.120} is not known here; write a name such as Europe/Berlin, Asia/Shanghai or "
            "UTC (a machine without any needs the package tzdata)"
        ) from error


def local_zone() -> tzinfo:
    """The zone that this machine's clock is shown in: $TZ, else /etc/localtime, else the offset of now."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    named = os.environ.get("TZ", "").removeprefix(":")
    try:
        if named:
            return ZoneInfo(named)
        if LOCALTIME.exists():
            with LOCALTIME.open("rb") as file:
                return ZoneInfo.from_file(file, key=_name_of(LOCALTIME))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass  # a rule such as CET-1CEST, a damaged file: then what the C library makes of it
    own = datetime.now().astimezone().tzinfo
    assert own is not None
    return own


def _name_of(link: Path) -> str:
    """``Europe/Berlin`` where the file is a link into the database, else only ``localtime``."""
    _, found, name = str(link.resolve()).partition("/zoneinfo/")
    return name if found else "localtime"
