"""When a job last did its work: by the last date in its log or state file, or by its systemd timer."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.errors import BadInput
from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, ReadFrom, RunCommand, StatPath
from checks.facts.files import LINE_LIMIT
from checks.facts.host import FILE_LIMIT
from checks.facts.moments import LOCALTIME, by_format, moments_in, zone_of

if TYPE_CHECKING:
    from checks.facts.host import Host
    from checks.facts.moments import Written

_UNIT: Final = r"[A-Za-z0-9:_.@\\-]{1,200}"
_PROPERTIES: Final = (
    "Id,LoadState,ActiveState,Unit,LastTriggerUSec,Result,ExecMainStartTimestamp,ExecMainExitTimestamp"
    ",ExecMainCode,ExecMainStatus"
)
_UPTIME: Final = "/proc/uptime"


class Stamp(msgspec.Struct, frozen=True):
    """The moment (aware UTC) that the last line in question tells, as `text` has it; not `found`: there is no
    such line."""

    found: bool
    at: datetime | None = None
    text: str = ""


@fact
class LastStamp(Fact, frozen=True):
    """The date in the last line of a file that a pattern finds: in its first group, or the line's first.

    An empty pattern finds every line. Looked at are the last 4 MiB of the file and, where it has none, of the
    one that was rotated before it (``.1``). What has no zone is in the machine's own time.
    """

    value_type: ClassVar[type] = Stamp
    path: str
    pattern: str = ""
    date_format: str = ""

    def describe(self) -> str:
        return f"read the last date in {self.path}"

    def asks(self) -> tuple[Ask, ...]:
        end = "<4 MiB before its end>"
        paths = (self.path, f"{self.path}.1")
        return (
            *(ask for path in paths for ask in (StatPath(path), ReadFrom(path, end))),
            ReadFile(LOCALTIME),
        )

    def read(self, host: Host) -> Stamp:
        try:
            pattern = re.compile(self.pattern)
        except re.error as error:
            raise NotReadable(
                f"{self.pattern!r} is not a regular expression: {error}", "unsupported"
            ) from error
        host.want((StatPath(self.path), StatPath(f"{self.path}.1"), ReadFile(LOCALTIME)))
        found = self._last(host, self.path, pattern)
        if found is None:
            try:
                found = self._last(host, f"{self.path}.1", pattern)
            except NotReadable as problem:
                if problem.cause != "absent":
                    raise
        return found or Stamp(False)

    def _last(self, host: Host, path: str, pattern: re.Pattern[str]) -> Stamp | None:
        seen = host.stat(path)
        data = host.read_from(path, max(0, seen.size - FILE_LIMIT))
        for line in reversed(data.splitlines()):
            text = line[:LINE_LIMIT].decode(errors="replace")
            match = pattern.search(text) if text.strip() else None
            if match is not None:
                said = match[1] or "" if pattern.groups else text
                written = self._written(said, path)
                written_at = datetime.fromtimestamp(max(0, seen.mtime), UTC)
                return Stamp(True, written.moment(zone_of(host), written_at), written.text[:60])
        return None

    def _written(self, text: str, path: str) -> Written:
        if self.date_format:
            return by_format(text, self.date_format)
        found = moments_in(text)
        if not found:
            raise NotReadable(f"the last line in question of {path} tells no date", "parse")
        return found[0]


class TimerRun(msgspec.Struct, frozen=True):
    """A timer and the last run of what it starts; times are aware UTC, None where there was none since boot.

    `result` is systemd's: ``success``, ``exit-code``, ``timeout``, …; `status` the exit status.
    """

    loaded: bool
    active: bool = False
    unit: str = ""
    triggered: datetime | None = None
    finished: datetime | None = None
    result: str = ""
    status: str = ""
    uptime_s: float = 0.0


@fact
class TimerState(Fact, frozen=True):
    """What systemd tells of a timer, such as ``backup.timer``, and of the service it starts."""

    value_type: ClassVar[type] = TimerRun
    timer: str

    def __post_init__(self) -> None:
        if "{" not in self.timer and not re.fullmatch(_UNIT, self.timer):
            raise BadInput(f"{self.timer!r:.80} is not the name of a timer; write one such as backup.timer")

    def describe(self) -> str:
        return f"ask systemd about {self._name} and what it starts"

    def asks(self) -> tuple[Ask, ...]:
        return (self._show(self._name), self._show("<the unit that it starts>"), ReadFile(_UPTIME))

    @property
    def _name(self) -> str:
        return self.timer if self.timer.endswith((".timer", "}")) else f"{self.timer}.timer"

    def read(self, host: Host) -> TimerRun:
        host.want((self._show(self._name), ReadFile(_UPTIME)))
        timer = self._properties(host, self._name)
        if timer.get("LoadState") != "loaded":
            return TimerRun(False)
        unit = timer.get("Unit") or self._name.removesuffix(".timer") + ".service"
        if not re.fullmatch(_UNIT, unit) or unit.startswith("-"):
            raise NotReadable(f"{self._name} starts {unit!r}, which is no unit", "parse")
        service = self._properties(host, unit)
        uptime = host.read_text(_UPTIME, 1000).split()
        return TimerRun(
            True,
            timer.get("ActiveState") == "active",
            unit,
            _time(timer.get("LastTriggerUSec", "")),
            _time(service.get("ExecMainExitTimestamp", "")),
            service.get("Result", ""),
            service.get("ExecMainStatus", ""),
            float(uptime[0]) if uptime and re.fullmatch(r"\d{1,12}(\.\d{1,9})?", uptime[0]) else 0.0,
        )

    def _show(self, unit: str) -> RunCommand:
        return RunCommand(("systemctl", "show", "-p", _PROPERTIES, "--", unit), 4.0, (("TZ", "UTC"),))

    def _properties(self, host: Host, unit: str) -> dict[str, str]:
        try:
            done = host.execute(self._show(unit))
        except NotReadable as problem:
            if problem.cause == "absent":
                raise NotReadable("this machine is not run by systemd", "unsupported") from problem
            raise
        if done.status != 0:
            if "not been booted with systemd" in done.err.decode(errors="replace"):
                raise NotReadable("this machine is not run by systemd", "unsupported")
            raise NotReadable(done.complaint, "failed")
        return parse_show(done.out.decode(errors="replace"))

    @classmethod
    def settled(cls, value: TimerRun) -> dict[str, Any]:
        """Whether it is on, what it starts, and how that ended; not when."""
        return {name: getattr(value, name) for name in ("loaded", "active", "unit", "result", "status")}


def parse_show(text: str) -> dict[str, str]:
    """The properties in the output of ``systemctl show``."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value.strip() for name, equals, value in pairs if equals}


def _time(text: str) -> datetime | None:
    """The moment of a property such as ``Wed 2026-11-25 03:00:01 UTC``; None for none."""
    found = moments_in(text)
    return found[0].moment() if found else None
