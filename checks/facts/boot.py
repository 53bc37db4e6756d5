"""Since when a system runs, and whether it waits to be started anew."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListFolder, ReadFile, Recall, StatPath
from checks.facts.kernel import OSRELEASE, kernel_release
from checks.facts.system import CONTAINER_ASKS, container_of

if TYPE_CHECKING:
    from checks.facts.host import Host
    from checks.facts.memory import Sample

UPTIME: Final = "/proc/uptime"
BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"

_STAT: Final = "/proc/stat"
_STAT_LIMIT: Final = 16 * 1024 * 1024
_PACKAGES: Final = "/run/reboot-required.pkgs"
_MARKS: Final = ("/run/reboot-required", "/run/reboot-needed", "/boot/do_purge_kernels")
_KERNELS: Final = ("/boot", "/lib/modules")
_IMAGE: Final = r"(?:vmlinu[xz]|Image|kernel)-([0-9]+\.[0-9]+[^/]{0,100})"
_NOT_BOOTED: Final = (".old", ".hmac", ".rpmsave", ".sig", ".bak", ".dpkg-bak", ".gz")
_KEYS: Final = (
    r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending",
    r"SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired",
)
_SAME_BOOT: Final = 5
"""How far the numbers of one start may differ: where they are its time, the clock was set meanwhile."""


class Start(msgspec.Struct, frozen=True):
    """When a system started, and how long ago in seconds by its own count.

    `number` tells one start from another (`same_start`). `before` is when the earlier one was that the last
    run saw, if it was another.
    """

    at: datetime
    up_s: float
    number: int = 0
    before: datetime | None = None
    container: str = ""


@fact
class BootTime(Fact, frozen=True):
    """When the kernel started, and whether it has started again since the last run."""

    value_type: ClassVar[type] = Start

    def describe(self) -> str:
        return f"read {UPTIME}, {BOOT_ID} and the boot time in {_STAT}"

    def asks(self) -> tuple[Ask, ...]:
        return (*(ReadFile(path) for path in (_STAT, UPTIME, BOOT_ID)), *CONTAINER_ASKS, Recall(self.id()))

    def read(self, host: Host) -> Start:
        host.want(self.asks())
        try:
            up_s = uptime_of(host)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            host.only_here("the boot time of a system without /proc")
            start = boot_by_psutil()
        else:
            found = re.search(r"^btime (\d{1,12})$", host.read_text(_STAT, _STAT_LIMIT), re.MULTILINE)
            if found is None:
                raise NotReadable(f"{_STAT} names no boot time", "parse")
            start = Start(_moment(int(found[1])), up_s, boot_number(host), container=container_of(host))
        return msgspec.structs.replace(start, before=_earlier(host.recall(self.id()), start.number))

    @classmethod
    def settled(cls, value: Start) -> dict[str, Any]:
        """Only where it runs: every start would differ, and `os.uptime` tells of it."""
        return {"container": value.container}

    @classmethod
    def series(cls, value: Start) -> Mapping[str, float]:
        return {"at": value.at.timestamp(), "number": value.number}


def boot_by_psutil() -> Start:
    """The same where there is no ``/proc``: Windows and macOS."""
    import time

    import psutil

    at = float(psutil.boot_time())
    return Start(_moment(int(at)), max(0.0, time.time() - at), int(at))


def uptime_of(host: Host) -> float:
    """Seconds since the start by the kernel's count; asks `UPTIME`."""
    found = re.match(r"(\d{1,12}(?:\.\d{1,6})?)\s", host.read_text(UPTIME, 1024))
    if found is None:
        raise NotReadable(f"{UPTIME} does not hold a number of seconds", "parse")
    return float(found[1])


def boot_number(host: Host) -> int:
    """A number of 48 bits that this start of the kernel has and no other; asks `BOOT_ID`."""
    digits = host.read_text(BOOT_ID, 1024).strip().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{32}", digits):
        raise NotReadable(f"{BOOT_ID} is not an id", "parse")
    return int(digits[:12], 16)


def same_start(one: float, other: float) -> bool:
    """Whether two numbers of `boot_number`, or two boot times of psutil, are of the same start."""
    return abs(one - other) <= _SAME_BOOT


def _earlier(samples: tuple[Sample, ...], number: int) -> datetime | None:
    last = samples[-1].values if samples else {}
    if "number" not in last or "at" not in last or same_start(last["number"], number):
        return None
    return _moment(int(last["at"]))


def _moment(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise NotReadable(f"{seconds} is not a moment", "parse") from error


class Pending(msgspec.Struct, frozen=True):
    """Why a system waits for a start: marks that its tools left, with the packages that asked for it; and
    the kernel that runs beside the newest installed one of its kind (empty where none is newer or known)."""

    marks: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    running: str = ""
    newer: str = ""
    container: str = ""


@fact
class PendingReboot(Fact, frozen=True):
    """Whether something that was installed works only after the next start."""

    value_type: ClassVar[type] = Pending

    def describe(self) -> str:
        return f"stat {', '.join(_MARKS)}; read {_PACKAGES}; list {' and '.join(_KERNELS)}; read {OSRELEASE}"

    def asks(self) -> tuple[Ask, ...]:
        files = (ReadFile(_PACKAGES), ReadFile(OSRELEASE))
        marks = tuple(StatPath(path) for path in _MARKS)
        return (*files, *marks, *(ListFolder(path) for path in _KERNELS), *CONTAINER_ASKS)

    def read(self, host: Host) -> Pending:
        host.want(self.asks())
        try:
            running = kernel_release(host)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            host.only_here("a pending reboot of a system without /proc")
            return pending_in_registry()
        marks = tuple(path for path in _MARKS if host.exists(path))
        container = container_of(host)
        # A container does not start the kernels that lie in its image.
        newer = "" if container else newest_of_its_kind(running, _installed(host))
        return Pending(marks, _packages(host) if marks else (), running, newer, container)


def pending_in_registry() -> Pending:
    """The same on Windows: keys that its servicing and its updates leave until the next start."""
    from checks.facts.windows import registry_key

    return Pending(tuple(path.rpartition("\\")[2] for path in _KEYS if registry_key(path)))


def newest_of_its_kind(running: str, installed: Iterable[str]) -> str:
    """The newest installed kernel of the flavour of the running one, where it is newer; else empty.

    The flavour is what the release says beside numbers: ``-rt-amd64`` is no successor of ``-amd64``.
    """
    kind, mine = _flavour(running), release_numbers(running)
    same = [release for release in installed if _flavour(release) == kind]
    newest = max(same, key=release_numbers, default="")
    return newest if newest and release_numbers(newest) > mine else ""


def _flavour(release: str) -> str:
    return "-".join(re.findall(r"[A-Za-z]+", release))


def release_numbers(release: str) -> list[int]:
    """The numbers in a kernel's release, in order: what one release is newer than another by."""
    return [int(number) for number in re.findall(r"[0-9]{1,12}", release)]


def _installed(host: Host) -> list[str]:
    """The releases of the installed kernels, from their images; from their modules where no image names one.

    Modules may outlive their kernel, so they count only where nothing better is known.
    """
    images = [found[1] for name in _names(host, _KERNELS[0]) if (found := re.fullmatch(_IMAGE, name))]
    booted = [release for release in images if not release.endswith(_NOT_BOOTED) and "rescue" not in release]
    return booted or [name for name in _names(host, _KERNELS[1]) if re.match(r"[0-9]+\.[0-9]", name)]


def _names(host: Host, path: str) -> list[str]:
    try:
        return [entry.name for entry in host.list_folder(path) if entry.name.isascii()]
    except NotReadable as problem:
        if problem.cause != "absent":
            raise
        return []


def _packages(host: Host) -> tuple[str, ...]:
    try:
        lines = host.read_text(_PACKAGES, 256 * 1024).split()
    except NotReadable:
        return ()
    return tuple(sorted({line[:100] for line in lines})[:50])
