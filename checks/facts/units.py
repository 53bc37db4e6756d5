"""Services as their manager sees them: systemd, OpenRC, scripts in /etc/init.d, or Windows.

Which manager a machine has is told by what it leaves behind (sd_booted(3), /run/openrc); what it says of
several units is one command. Only systemd counts restarts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListFolder, ReadFile, Recall, RunCommand, StatPath
from checks.facts.unitstates import (
    Active,
    Enabled,
    Unit,
    UnitTable,
    parse_failed,
    parse_rc_status,
    parse_script_status,
    parse_show,
    with_history,
)

if TYPE_CHECKING:
    from checks.facts.host import Host

SYSTEMD: Final = "/run/systemd/system"
OPENRC: Final = "/run/openrc"
SCRIPTS: Final = "/etc/init.d"
RUNLEVELS: Final = ("sysinit", "boot", "default")
LEVELS: Final = (2, 3)

PROPERTIES: Final = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts,ActiveEnterTimestampMonotonic"
)
TIMEOUT_S: Final = 8.0
UNITS_LIMIT: Final = 100

_NAME: Final = re.compile(r"[A-Za-z0-9_@:.\\-]{1,200}")


@fact
class Units(Fact, frozen=True):
    """The state of these services."""

    value_type: ClassVar[type] = UnitTable
    deadline_s: ClassVar[float] = 30.0
    names: tuple[str, ...] | str

    def describe(self) -> str:
        return f"ask systemd (systemctl show), OpenRC or /etc/init.d about {', '.join(self._names)}"

    def asks(self) -> tuple[Ask, ...]:
        # What is for other managers is a template: it waits until it is known that systemd is not there.
        others: list[Ask] = [ListFolder("/etc/rc<runlevel>.d")]
        for name in self._names:
            others += (
                RunCommand(("rc-service", f"<{name}, under OpenRC>", "status"), TIMEOUT_S),
                RunCommand((f"{SCRIPTS}/<{name}, without systemd>", "status"), TIMEOUT_S),
                StatPath(f"/etc/runlevels/<runlevel>/{name}"),
                StatPath(f"{SCRIPTS}/<{name}>"),
            )
        return (
            *(StatPath(path) for path in (SYSTEMD, OPENRC)),
            *(ReadFile(path) for path in ("/proc/1/comm", "/proc/uptime")),
            Recall(self.id()),
            self._show(),
            *others,
        )

    def read(self, host: Host) -> UnitTable:
        names = self._names
        if problem := wrong_names(names):
            raise NotReadable(problem, "unsupported")
        if host.exists(SYSTEMD):
            host.want((self._show(), ReadFile("/proc/uptime"), Recall(self.id())))
            shown = host.execute(self._show())
            if shown.status and not shown.out.strip():
                raise NotReadable(f"systemctl: {shown.complaint}")
            units = parse_show(shown.out.decode(errors="replace"), names, _uptime(host))
            return UnitTable("systemd", with_history(units, host.recall(self.id())))
        if host.exists(OPENRC):
            host.want(_rc_service(name) for name in names)
            return UnitTable("openrc", tuple(_by_openrc(host, name) for name in names))
        init = _first_process(host)
        if init:
            host.want(StatPath(f"{SCRIPTS}/{name}") for name in names)
            return UnitTable("sysv", tuple(_by_script(host, name, init == "init") for name in names))
        host.only_here("the services of a system without systemd, OpenRC or /etc/init.d")
        return UnitTable("windows", tuple(map(_by_windows, names)))

    @classmethod
    def settled(cls, value: UnitTable) -> dict[str, Any]:
        """What each is and whether it is enabled; not for how long, nor how often it was restarted."""
        return {
            unit.name: {"active": unit.active, "enabled": unit.enabled, "known": unit.known}
            for unit in value.units
        }

    @classmethod
    def series(cls, value: UnitTable) -> Mapping[str, float]:
        return {unit.name: float(unit.restarts) for unit in value.units if unit.restarts is not None}

    @property
    def _names(self) -> tuple[str, ...]:
        return (self.names,) if isinstance(self.names, str) else self.names

    def _show(self) -> RunCommand:
        argv = ("systemctl", "show", "--no-pager", "-p", PROPERTIES, "--", *self._names)
        return RunCommand(argv, TIMEOUT_S)


@fact
class FailedUnits(Fact, frozen=True):
    """The units of systemd that have failed, or the services that OpenRC could not start."""

    value_type: ClassVar[Any] = tuple[str, ...]
    deadline_s: ClassVar[float] = 15.0

    def describe(self) -> str:
        return self._list().describe()

    def asks(self) -> tuple[Ask, ...]:
        return (StatPath(SYSTEMD), StatPath(OPENRC), self._list(), ListFolder(f"{OPENRC}/failed"))

    def read(self, host: Host) -> tuple[str, ...]:
        if host.exists(SYSTEMD):
            done = host.execute(self._list())
            if done.status:
                raise NotReadable(f"systemctl: {done.complaint}")
            return parse_failed(done.out.decode(errors="replace"))
        if host.exists(OPENRC):
            return tuple(_names_in(host, f"{OPENRC}/failed"))
        raise NotReadable("neither systemd nor OpenRC runs here", "unsupported")

    def _list(self) -> RunCommand:
        return RunCommand(
            (
                "systemctl",
                "list-units",
                "--failed",
                "--all",
                "--full",
                "--plain",
                "--no-legend",
                "--no-pager",
            ),
            TIMEOUT_S,
        )


def wrong_names(names: Sequence[str]) -> str:
    """Why these cannot be names of services; empty where they can."""
    bad = [name for name in names if not _NAME.fullmatch(name) or name.startswith("-")]
    if bad:
        return f"{bad[0]!r:.60} is no name of a service"
    return "" if 1 <= len(names) <= UNITS_LIMIT else f"1 to {UNITS_LIMIT} names are needed"


def _by_openrc(host: Host, name: str) -> Unit:
    unit = parse_rc_status(name, host.execute(_rc_service(name)))
    paths = [f"/etc/runlevels/{level}/{name}" for level in RUNLEVELS]
    host.want(map(StatPath, paths))
    enabled = any([host.exists(path) for path in paths])  # noqa: C419 - a list asks for all of them
    return msgspec.structs.replace(unit, enabled="yes" if enabled else "no") if unit.known else unit


def _rc_service(name: str) -> RunCommand:
    return RunCommand(("rc-service", name, "status"), TIMEOUT_S)


def _by_script(host: Host, name: str, init: bool) -> Unit:
    """A service by its script. Where there is none, and no init that could have one, nothing can be told."""
    if not host.exists(f"{SCRIPTS}/{name}"):
        if not init:
            raise NotReadable("no service manager runs here: neither systemd, OpenRC nor init", "unsupported")
        return Unit(name, known=False, detail=f"{SCRIPTS}/{name} does not exist")
    folders = [f"/etc/rc{level}.d" for level in LEVELS]
    status = RunCommand((f"{SCRIPTS}/{name}", "status"), TIMEOUT_S)
    host.want((status, *map(ListFolder, folders)))
    unit = parse_script_status(name, host.execute(status))
    links = [entry for folder in folders for entry in _names_in(host, folder)]
    enabled = any(re.fullmatch(rf"S\d\d{re.escape(name)}", link) for link in links)
    return msgspec.structs.replace(unit, enabled="yes" if enabled else "no")


def _names_in(host: Host, folder: str) -> Iterator[str]:
    try:
        # A name may be of any bytes, and what is kept has to be text.
        for entry in host.list_folder(folder):
            yield entry.name.encode(errors="replace").decode()
    except NotReadable as problem:
        if problem.cause != "absent":
            raise


def _by_windows(name: str) -> Unit:
    """A Windows service, through psutil."""
    import psutil

    if not hasattr(psutil, "win_service_get"):
        raise NotReadable("this system has no service manager that is known here", "unsupported")
    states: dict[str, Active] = {
        "running": "running",
        "stopped": "stopped",
        "start_pending": "starting",
        "continue_pending": "starting",
        "stop_pending": "stopping",
        "pause_pending": "stopping",
        "paused": "stopped",
    }
    starts: dict[str, Enabled] = {"automatic": "yes", "manual": "no", "disabled": "masked"}
    try:
        seen = psutil.win_service_get(name).as_dict()
    except psutil.NoSuchProcess:
        return Unit(name, known=False, detail="no such service")
    except psutil.AccessDenied as error:
        raise NotReadable(f"the service {name} may not be looked at", "denied") from error
    state, start = str(seen.get("status")), str(seen.get("start_type"))
    return Unit(name, True, states.get(state, "unknown"), starts.get(start, "unknown"), f"{state} ({start})")


def _first_process(host: Host) -> str:
    """The name of process 1; empty where there is no ``/proc``."""
    try:
        return host.read_text("/proc/1/comm", 100).strip()
    except NotReadable as problem:
        if problem.cause == "absent":
            return ""
        raise


def _uptime(host: Host) -> float | None:
    try:
        return float(host.read_text("/proc/uptime", 200).split()[0])
    except (NotReadable, ValueError, IndexError):
        return None
