"""Whether what runs is what its files say: a service under systemd, and PostgreSQL's settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.errors import BadInput
from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, RunCommand
from checks.facts.database import Refused, Talked
from checks.facts.dbbase import OfDatabase, as_asked
from checks.facts.process import UNLIMITED, parse_limits

if TYPE_CHECKING:
    from checks.facts.child import Output
    from checks.facts.host import Host

_UNIT: Final = r"[A-Za-z0-9:_.\\@-]{1,255}"
_LIMITS: Final = {
    "nofile": "NOFILE",
    "nproc": "NPROC",
    "stack": "STACK",
    "memlock": "MEMLOCK",
}
_PROPERTIES: Final = ",".join(
    (
        *("LoadState", "ActiveState", "NeedDaemonReload", "MainPID"),
        *(f"Limit{name}{side}" for name in _LIMITS.values() for side in ("", "Soft")),
    )
)
_INFINITY: Final = ("infinity", "18446744073709551615")


class Differs(msgspec.Struct, frozen=True):
    """A setting that is not in force: `wanted` by its file, `actual` at the process that runs."""

    name: str
    wanted: str
    actual: str


class Effective(msgspec.Struct, frozen=True):
    """A service: `found` (its manager knows it), `runs`, `reload_needed` (its files changed since the manager
    read them), and what differs of what the manager knows."""

    found: bool
    runs: bool = False
    reload_needed: bool = False
    differs: tuple[Differs, ...] = ()


@fact
class UnitEffective(Fact, frozen=True):
    """Limits of a service's main process beside those of its unit, and whether systemd has read its files."""

    value_type: ClassVar[type] = Effective
    unit: str

    def __post_init__(self) -> None:
        if self.unit and "{" not in self.unit and not re.fullmatch(_UNIT, self.unit):
            raise BadInput(f"{self.unit!r:.80} is not the name of a unit; write one such as nginx.service")

    def describe(self) -> str:
        return f"ask systemd about {self.unit}, read {self._limits_of('<pid of its main process>')}"

    def asks(self) -> tuple[Ask, ...]:
        return (self._show(), ReadFile(self._limits_of("<pid of its main process>")))

    def read(self, host: Host) -> Effective:
        try:
            done = host.execute(self._show())
        except NotReadable as problem:
            if problem.cause == "absent":
                raise NotReadable("this machine is not run by systemd", "unsupported") from problem
            raise
        told = read_show(done)
        if told.get("LoadState") != "loaded":
            return Effective(False)
        reload_needed = told.get("NeedDaemonReload") == "yes"
        pid = told.get("MainPID", "0")
        if not re.fullmatch(r"[1-9][0-9]{0,9}", pid):
            return Effective(True, False, reload_needed)
        text = host.read_text(self._limits_of(pid), 64 * 1024)
        return Effective(True, True, reload_needed, differing(told, text))

    @staticmethod
    def _limits_of(pid: str) -> str:
        return f"/proc/{pid}/limits"

    def _show(self) -> RunCommand:
        return RunCommand(("systemctl", "show", "--no-pager", "-p", _PROPERTIES, "--", self.unit))


def read_show(done: Output) -> dict[str, str]:
    """The properties in the output of ``systemctl show``. Raises `NotReadable` where it told none."""
    if done.status != 0:
        said = done.err.decode(errors="replace")
        if "not been booted with systemd" in said or "Failed to connect to bus" in said:
            raise NotReadable("this machine is not run by systemd", "unsupported")
        raise NotReadable(done.complaint, "failed")
    lines = (line.partition("=") for line in done.out.decode(errors="replace").splitlines())
    return {name: value for name, equals, value in lines if equals}


def differing(told: dict[str, str], limits: str) -> tuple[Differs, ...]:
    """Which limits of a process are not those of its unit.

    A process may raise its soft limit up to the hard one by itself, and some do; so only a soft limit that is
    lower than the unit's counts.
    """
    found = []
    running = parse_limits(limits)
    for kind, name in _LIMITS.items():
        limit = running.get(kind)
        hard, soft = _number(told.get(f"Limit{name}", "")), _number(told.get(f"Limit{name}Soft", ""))
        if limit is None:
            continue
        if hard is not None and limit.hard != hard:
            found.append(Differs(f"Limit{name}", _shown(hard), _shown(limit.hard)))
        elif soft is not None and limit.soft < soft:
            found.append(Differs(f"Limit{name} (soft)", _shown(soft), _shown(limit.soft)))
    return tuple(found)


def _number(text: str) -> int | None:
    if text in _INFINITY:
        return UNLIMITED
    return int(text) if re.fullmatch(r"[0-9]{1,20}", text) else None


def _shown(limit: int) -> str:
    return "unlimited" if limit >= UNLIMITED else str(limit)


class Pending(msgspec.Struct, frozen=True):
    """Settings of a server that wait for a restart, and lines of its files that it cannot take (``file:line:
    setting: why``); `files_unread` is why the files could not be looked at."""

    restart: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    files_unread: str = ""


@fact
class PostgresEffective(OfDatabase, frozen=True):
    """Which settings of PostgreSQL are not in force; names only, because a value may be a secret."""

    value_type: ClassVar[type] = Pending
    what: ClassVar[str] = "which settings are not in force"

    def statements(self) -> tuple[str, ...]:
        if self.product != "postgresql":
            raise NotReadable(
                f"{self.product} does not tell which settings wait for a restart", "unsupported"
            )
        return (
            "SELECT name FROM pg_settings WHERE pending_restart ORDER BY name",
            "SELECT sourcefile, sourceline, name, error FROM pg_file_settings "
            "WHERE error IS NOT NULL AND error <> 'setting could not be applied' ORDER BY 1, 2",
        )

    def needed(self) -> tuple[str, ...]:
        return (
            f'GRANT SELECT ON pg_file_settings TO "{self.login}";',
            f'GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO "{self.login}";',
        )

    def read(self, host: Host) -> Pending:
        said = self.talk(host)
        with as_asked():
            return _pending(said)

    @classmethod
    def settled(cls, value: Pending) -> dict[str, Any]:
        """What is not in force, without the server's words."""
        return {"restart": list(value.restart), "wrong": len(value.wrong)}


def _pending(said: Talked) -> Pending:
    waiting = tuple(str(row[0]) for row in said.rows(0).rows)
    files = said.results[1]
    if isinstance(files, Refused):
        if files.cause != "denied":
            raise NotReadable(files.reason, files.cause)
        return Pending(waiting, (), files.reason)
    wrong = tuple(f"{row[0]}:{row[1]}: {row[2] or 'a line'}: {row[3]}" for row in files.rows)
    return Pending(waiting, wrong)
