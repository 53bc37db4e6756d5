"""How far the clock is from the time, as the service that keeps it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListProcesses, RunCommand
from checks.facts.system import CONTAINER_ASKS, container_of

if TYPE_CHECKING:
    from checks.facts.host import Host

_CHRONYC: Final = RunCommand(("chronyc", "-n", "-c", "tracking"))
_NTPQ: Final = RunCommand(("ntpq", "-n", "-c", "rv"))
_TIMESYNC: Final = RunCommand(("timedatectl", "timesync-status"))
_ADJTIMEX: Final = RunCommand(("adjtimex",))

_SECONDS: Final = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER: Final = r"[+-]?\d{1,15}(?:\.\d{1,12})?"


class Kept(msgspec.Struct, frozen=True):
    """The clock as its service sees it.

    `offset_s` is in seconds, positive where the clock is ahead; None where no service runs that tells.
    `stratum` is the service's distance from a true clock; `synchronised` is its own word.
    """

    service: str = ""
    offset_s: float | None = None
    synchronised: bool = False
    stratum: int | None = None
    container: str = ""


@fact
class TimeOffset(Fact, frozen=True):
    """What chronyd, ntpd or systemd-timesyncd says of the clock it keeps; of several that run the first."""

    value_type: ClassVar[type] = Kept

    def describe(self) -> str:
        return "ask the time service that runs: chronyc tracking, ntpq -c rv, timedatectl timesync-status"

    def asks(self) -> tuple[Ask, ...]:
        return (ListProcesses(), *CONTAINER_ASKS, _CHRONYC, _NTPQ, _TIMESYNC, _ADJTIMEX)

    def read(self, host: Host) -> Kept:
        host.want((ListProcesses(), *CONTAINER_ASKS))
        running = {process.name for process in host.processes()}
        container = container_of(host)
        for service, ways in _WAYS.items():
            if service in running:
                kept = _asked(host, service, ways)
                return msgspec.structs.replace(kept, container=container)
        return Kept(container=container)

    @classmethod
    def settled(cls, value: Kept) -> dict[str, Any]:
        """Who keeps the clock and whether it does: offset and stratum never stand still."""
        return {"service": value.service, "synchronised": value.synchronised}


def _asked(host: Host, service: str, ways: tuple[tuple[RunCommand, Callable[[str], Kept]], ...]) -> Kept:
    """The answer of the first of several programs that is there."""
    host.want(ask for ask, _ in ways)
    for ask, parse in ways:
        try:
            done = host.execute(ask)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            continue
        if done.status != 0:
            raise NotReadable(f"{ask.argv[0]}: {_complaint(done.out, done.complaint)}", "failed")
        return msgspec.structs.replace(parse(done.out.decode(errors="replace")), service=service)
    names = " nor ".join(ask.argv[0] for ask, _ in ways)
    raise NotReadable(f"{service} runs, but {names} is not installed to ask it", "absent")


def _complaint(out: bytes, said: str) -> str:
    """chronyc complains on its standard output."""
    lines = out.decode(errors="replace").strip().splitlines()
    return said if not said.startswith("exit status") or not lines else lines[-1][:200]


def parse_tracking(text: str) -> Kept:
    """What ``chronyc -c tracking`` prints: fields by commas, as chronyc(1) lists them.

    The third is the stratum, the fifth how much the clock is slow of the time (negative: fast), the last the
    leap status.
    """
    fields = text.strip().split(",")
    if len(fields) < 14 or not re.fullmatch(r"\d{1,3}", fields[2], re.ASCII):
        raise NotReadable("chronyc does not print the fields that are known", "parse")
    slow = _number(fields[4])
    synchronised = fields[-1].strip() != "Not synchronised"
    return Kept("", 0.0 - slow if synchronised else None, synchronised, int(fields[2]))


def parse_rv(text: str) -> Kept:
    """What ``ntpq -c rv`` prints: offset in milliseconds, leap 3 for a clock that is not kept."""
    offset = re.search(rf"\boffset=({_NUMBER})", text, re.ASCII)
    stratum = re.search(r"\bstratum=(\d{1,3})\b", text, re.ASCII)
    if offset is None or stratum is None:
        raise NotReadable("ntpq tells no offset", "parse")
    synchronised = int(stratum[1]) < 16 and re.search(r"\bleap=(?:11|0?3)\b", text) is None
    # ntpd says how far the servers are ahead of the clock.
    return Kept("", 0.0 - float(offset[1]) / 1000 if synchronised else None, synchronised, int(stratum[1]))


def parse_timesync(text: str) -> Kept:
    """What ``timedatectl timesync-status`` shows: ``Offset: -1min 2.5s``, how far the server is ahead."""
    found = re.search(r"^ *Offset: *([+-]?)([^\n]{1,60})$", text, re.MULTILINE)
    stratum = re.search(r"^ *Stratum: *(\d{1,3})\b", text, re.MULTILINE | re.ASCII)
    if found is None:
        if re.search(r"^ *Server: ", text, re.MULTILINE):
            return Kept()  # no packet has come back yet
        raise NotReadable("timedatectl tells no offset", "parse")
    parts = re.findall(r"(\d{1,12}(?:\.\d{1,9})?)(us|µs|ms|s|min|h|d)\b", found[2], re.ASCII)
    if not parts:
        raise NotReadable("timedatectl tells no offset that is known", "parse")
    ahead = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return Kept("", ahead if found[1] == "-" else -ahead, True, int(stratum[1]) if stratum else None)


def parse_adjtimex(text: str) -> Kept:
    """What BusyBox's ``adjtimex`` prints of the kernel, by which its ntpd corrects the clock."""
    offset = re.search(rf"\boffset: *({_NUMBER})(?: us)?\s*$", text, re.MULTILINE | re.ASCII)
    status = re.search(r"\bstatus: *(\d{1,6})\b", text, re.ASCII)
    if offset is None or status is None:
        raise NotReadable("adjtimex tells no offset", "parse")
    # The flags STA_UNSYNC (64) and, for an offset in nanoseconds, STA_NANO (8192) of adjtimex(2).
    synchronised, unit = not int(status[1]) & 64, 1e-9 if int(status[1]) & 8192 else 1e-6
    return Kept("", 0.0 - float(offset[1]) * unit if synchronised else None, synchronised)


def _number(word: str) -> float:
    if not re.fullmatch(_NUMBER, word.strip(), re.ASCII):
        raise NotReadable(f"{word[:40]!r} is not an offset", "parse")
    return float(word)


_WAYS: Final[dict[str, tuple[tuple[RunCommand, Callable[[str], Kept]], ...]]] = {
    "chronyd": ((_CHRONYC, parse_tracking),),
    "ntpd": ((_NTPQ, parse_rv), (_ADJTIMEX, parse_adjtimex)),
    "systemd-timesyncd": ((_TIMESYNC, parse_timesync),),
}
