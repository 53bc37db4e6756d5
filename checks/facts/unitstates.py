"""What service managers say of a service, read into one form: systemctl show, rc-service, LSB scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from checks.fact import NotReadable

if TYPE_CHECKING:
    from checks.facts.child import Output
    from checks.facts.memory import Sample

LOOP_WINDOW_S: Final = 300.0
"""Seconds in which restarts are counted (Prometheus node mixin, NodeSystemdServiceCrashlooping)."""

Active = Literal["running", "stopped", "failed", "starting", "stopping", "unknown"]
Enabled = Literal["yes", "no", "static", "masked", "unknown"]

_ENABLED: Final[dict[str, Enabled]] = {
    "enabled": "yes",
    "enabled-runtime": "yes",
    "linked": "no",
    "linked-runtime": "no",
    "alias": "yes",
    "disabled": "no",
    "masked": "masked",
    "masked-runtime": "masked",
    "static": "static",
    "indirect": "static",
    "generated": "yes",
    "transient": "yes",
}
_ACTIVE: Final[dict[str, Active]] = {
    "active": "running",
    "reloading": "running",
    "refreshing": "running",
    "maintenance": "running",
    "inactive": "stopped",
    "failed": "failed",
    "activating": "starting",
    "deactivating": "stopping",
}


class Unit(msgspec.Struct, frozen=True):
    """A service. `known`: its manager has heard of it; `detail` is how the manager itself puts it.

    `restarts` counts how often its manager restarted it since somebody last started it, None where it does
    not count; `active_s` are the seconds since it became active, None where it never did. `restarted` is how
    many of the restarts came since an earlier run, `since_s` seconds ago.
    """

    name: str
    known: bool
    active: Active = "unknown"
    enabled: Enabled = "unknown"
    detail: str = ""
    result: str = ""
    restarts: int | None = None
    active_s: float | None = None
    restarted: int | None = None
    since_s: float | None = None


class UnitTable(msgspec.Struct, frozen=True):
    """The units that were asked for, in that order, and who manages them."""

    manager: Literal["systemd", "openrc", "sysv", "windows"]
    units: tuple[Unit, ...]


def parse_show(text: str, names: Sequence[str], uptime: float | None) -> tuple[Unit, ...]:
    """What ``systemctl show`` said of these units: one block each, in the order they were asked for.

    `uptime` is the machine's, in seconds. Raises `NotReadable` (parse) where there are not as many blocks.
    """
    blocks = [block for block in text.split("\n\n") if block.strip()]
    if len(blocks) != len(names):
        raise NotReadable(f"systemctl told of {len(blocks)} units, asked for {len(names)}", "parse")
    return tuple(_shown(name, _fields(block), uptime) for name, block in zip(names, blocks, strict=True))


def parse_failed(text: str) -> tuple[str, ...]:
    """The units that ``systemctl list-units --failed`` names, in its order; older ones put a mark first."""
    lines = (line.split() for line in text.splitlines())
    rows = (row[1:] if row[0] in ("●", "*", "×") else row for row in lines if row)
    return tuple(row[0][:256] for row in rows if len(row) >= 4)


def with_history(units: Sequence[Unit], samples: Sequence[Sample]) -> tuple[Unit, ...]:
    """The units with how often they were restarted since the newest run that is a whole window ago.

    Where all runs are nearer, the oldest of them counts. A counter that is lower than it was began anew: then
    it says itself how often.
    """
    if not samples:
        return tuple(units)
    now = _now()
    old = [sample for sample in samples if (now - sample.at.timestamp()) >= LOOP_WINDOW_S]
    sample = old[-1] if old else samples[0]
    since = max(0.0, now - sample.at.timestamp())
    found = []
    for unit in units:
        before = sample.values.get(unit.name)
        if unit.restarts is not None and before is not None:
            more = unit.restarts - int(before) if unit.restarts >= before else unit.restarts
            unit = msgspec.structs.replace(unit, restarted=more, since_s=since)
        found.append(unit)
    return tuple(found)


def parse_rc_status(name: str, done: Output) -> Unit:
    """What ``rc-service NAME status`` said. OpenRC: 0 started, 3 stopped, 4 stopping, 8 starting, 16
    inactive (it waits for something), 32 crashed, 64 running without its supervisor."""
    states: dict[int, Active] = {
        0: "running",
        3: "stopped",
        4: "stopping",
        8: "starting",
        16: "starting",
        32: "failed",
        64: "failed",
    }
    said = _words(done)
    known = "does not exist" not in said
    return Unit(name, known, states.get(done.status, "unknown") if known else "unknown", detail=said)


def parse_script_status(name: str, done: Output) -> Unit:
    """What a script of /etc/init.d said. LSB: 0 running, 1 and 2 dead but with its pid or lock file, 3 not
    running, 4 and above unknown. What ends with 0 and no word is no service that runs: scripts of packages
    that were removed begin with ``test -x $DAEMON || exit 0``."""
    states: dict[int, Active] = {0: "running", 1: "failed", 2: "failed", 3: "stopped"}
    detail = _words(done)
    if done.status == 0 and not detail:
        detail = "its script ends with 0 and says nothing; perhaps its program was removed"
        return Unit(name, True, "unknown", detail=detail)
    return Unit(name, True, states.get(done.status, "unknown"), detail=detail)


def _shown(name: str, fields: Mapping[str, str], uptime: float | None) -> Unit:
    load, active = fields.get("LoadState", ""), fields.get("ActiveState", "")
    began, restarts = fields.get("ActiveEnterTimestampMonotonic", ""), fields.get("NRestarts", "")
    since = None
    if uptime is not None and began.isascii() and began.isdigit() and 0 < len(began) < 19 and int(began):
        since = max(0.0, round(uptime - int(began) / 1e6, 1))
    enabled = _ENABLED.get(fields.get("UnitFileState", ""), "unknown")
    return Unit(
        name,
        load != "not-found",
        _ACTIVE.get(active, "unknown"),
        "masked" if load == "masked" else enabled,
        f"{active} ({fields.get('SubState', '')})"[:100] if load == "loaded" else load[:100],
        fields.get("Result", "")[:100].replace("success", ""),
        int(restarts) if restarts.isascii() and restarts.isdigit() and len(restarts) < 10 else None,
        since,
    )


def _fields(block: str) -> dict[str, str]:
    lines = (line.partition("=") for line in block.splitlines())
    return {key: value.strip() for key, _, value in lines}


def _words(done: Output) -> str:
    """What a manager said, in one line without the colours of its screen."""
    text = (done.out + b" " + done.err)[:4096].decode(errors="replace")
    return " ".join(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).split())[:200]


def _now() -> float:
    import time

    return time.time()
