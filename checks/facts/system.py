"""The operating system itself: release, memory, kernel parameters, and whether this is a container."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, StatPath

if TYPE_CHECKING:
    from checks.facts.host import Host

_SYSCTL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]{0,250}")
_ENGINES = re.compile(r"docker|kubepods|containerd|libpod|lxc")
_OS_RELEASE: Final = ("/etc/os-release", "/usr/lib/os-release")
_SERVERS: Final = {14393: "2016", 17763: "2019", 20348: "2022", 26100: "2025"}
_FIRST_ELEVEN: Final = 22000
"""The build that Windows 11 begins with."""
_MARKS: Final = (("/run/.containerenv", "podman"), ("/.dockerenv", "docker"))

_MEMORY_GROUPS: Final = (
    ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Where control groups of version 2 and 1 tell of memory: folder, limit, use, and the droppable cache."""

CONTAINER_ASKS: Final[tuple[Ask, ...]] = (
    ReadFile("/run/systemd/container"),
    *(StatPath(path) for path, _ in _MARKS),
    ReadFile("/proc/1/cgroup"),
)
"""What `container_of` asks."""


class Release(msgspec.Struct, frozen=True):
    """os-release(5): `id` such as ``debian``; `version` may be empty on rolling releases."""

    id: str
    version: str = ""
    name: str = ""


@fact
class OsRelease(Fact, frozen=True):
    """The distribution and its version."""

    value_type: ClassVar[type] = Release

    def describe(self) -> str:
        return "read /etc/os-release"

    def asks(self) -> tuple[Ask, ...]:
        return tuple(ReadFile(path) for path in _OS_RELEASE)

    def read(self, host: Host) -> Release:
        for path in _OS_RELEASE:
            try:
                text = host.read_text(path, 64 * 1024)
            except NotReadable as problem:
                if problem.cause != "absent":
                    raise
            else:
                return parse_release(text)
        import platform

        if platform.system() == "Linux":
            raise NotReadable("this system has no os-release file", "absent")
        host.only_here("the release of a system without an os-release file")
        if platform.system() == "Windows":
            return windows_release(platform.version(), platform.win32_edition() or "")
        return Release(platform.system().lower(), platform.release(), platform.platform())


def windows_release(version: str, edition: str) -> Release:
    """The release of Windows, as newer versions of Python name it: ``11``, ``2022Server``.

    `version` is as Windows counts it, ``10.0.20348``, `edition` ``ServerStandard`` or ``Professional``. Up to
    Python 3.11 `platform.release` says 10 of all since 2015. The builds are those of Microsoft's release
    information; one that is not known gives an empty version.
    """
    build = version.rpartition(".")[2]
    number = int(build) if build.isascii() and build.isdigit() else 0
    if edition.startswith("Server"):
        year = _SERVERS.get(number, "")
        named = f"Windows Server {year}".rstrip()
        return Release("windows", f"{year}Server" if year else "", f"{named} ({version})")
    client = "11" if number >= _FIRST_ELEVEN else "10" if version.startswith("10.") else ""
    return Release("windows", client, f"{f'Windows {client}'.rstrip()} ({version})")


def parse_release(text: str) -> Release:
    """The release in an os-release file's text; one that names no system is ``linux``, as its page says."""
    fields = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            fields[name] = _unquoted(value)
    name = fields.get("PRETTY_NAME") or fields.get("NAME", "Linux")
    return Release(fields.get("ID", "linux"), fields.get("VERSION_ID", ""), name)


class MemoryUse(msgspec.Struct, frozen=True):
    """Bytes there are, and bytes that programs can still get. `limited`: by a control group."""

    total: int
    available: int
    limited: bool = False

    @property
    def used_percent(self) -> float:
        return 100 * (1 - self.available / self.total) if self.total else 0.0


@fact
class Memory(Fact, frozen=True):
    """Memory of the machine, or of the container where that has a limit of its own."""

    value_type: ClassVar[type] = MemoryUse

    def describe(self) -> str:
        return "read /proc/meminfo and the container's memory limit"

    def asks(self) -> tuple[Ask, ...]:
        names = (
            f"{folder}/{name}" for folder, *files, _ in _MEMORY_GROUPS for name in (*files, "memory.stat")
        )
        return tuple(ReadFile(path) for path in ("/proc/meminfo", *names))

    def read(self, host: Host) -> MemoryUse:
        try:
            machine = parse_meminfo(host.read_text("/proc/meminfo", 64 * 1024))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            host.only_here("the memory of a system without /proc/meminfo")
            return memory_by_psutil()
        return _limited(host, machine) or machine

    @classmethod
    def settled(cls, value: MemoryUse) -> dict[str, Any]:
        """What there is, to three digits: the kernel's own share differs a little from start to start."""
        from checks.units import size_text

        return {"total": size_text(value.total), "limited": value.limited}


def parse_meminfo(text: str) -> MemoryUse:
    """Total and available memory in the text of ``/proc/meminfo``."""
    fields = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        number = rest.split()
        if number and number[0].isdigit():
            fields[name] = int(number[0]) * 1024
    if "MemTotal" not in fields:
        raise NotReadable("/proc/meminfo names no MemTotal", "parse")
    # Kernels before 3.14 do not say what is available; this is how free(1) guessed then.
    guess = sum(fields.get(name, 0) for name in ("MemFree", "Buffers", "Cached"))
    return MemoryUse(fields["MemTotal"], fields.get("MemAvailable", guess))


def memory_by_psutil() -> MemoryUse:
    """The same where there is no ``/proc``: Windows and macOS."""
    import psutil

    seen = psutil.virtual_memory()
    return MemoryUse(seen.total, seen.available)


def _limited(host: Host, machine: MemoryUse) -> MemoryUse | None:
    """Memory as a container's limit leaves it, without the file cache that can be dropped, or None.

    On a machine's own control group root these files do not exist (v2) or name no limit (v1).
    """
    for folder, limit_file, used_file, cache in _MEMORY_GROUPS:
        try:
            limit = host.read_text(f"{folder}/{limit_file}", 100).strip()
            if not limit.isdigit() or int(limit) >= machine.total:
                continue
            used = int(host.read_text(f"{folder}/{used_file}", 100))
            lines = host.read_text(f"{folder}/memory.stat", 64 * 1024).splitlines()
        except (NotReadable, ValueError):
            continue
        cached = sum(int(line.split()[1]) for line in lines if line.startswith(cache + " "))
        free = max(0, int(limit) - max(0, used - cached))
        return MemoryUse(int(limit), min(free, machine.available), limited=True)
    return None


@fact
class Sysctl(Fact, frozen=True):
    """A kernel parameter as text with single blanks, named as for sysctl(8): ``net.core.somaxconn``."""

    value_type: ClassVar[type] = str
    name: str

    def describe(self) -> str:
        return f"read {sysctl_path(self.name)}" if "{" not in self.name else f"read /proc/sys ({self.name})"

    def asks(self) -> tuple[Ask, ...]:
        try:
            return (ReadFile(sysctl_path(self.name)),)
        except NotReadable:
            return ()

    def read(self, host: Host) -> str:
        return " ".join(host.read_text(sysctl_path(self.name), 64 * 1024).split())


def sysctl_path(name: str) -> str:
    """The file of a kernel parameter; ``/`` in the name is a dot of it: ``net.ipv4.conf.eth0/7.rp_filter``.

    Raises `NotReadable` for a name that could lead out of ``/proc/sys``.
    """
    parts = [part.replace("/", ".") for part in name.split(".")]
    if not _SYSCTL.fullmatch(name) or any(not part.strip(".") for part in parts):
        raise NotReadable(f"{name!r} is not the name of a kernel parameter", "unsupported")
    return "/proc/sys/" + "/".join(parts)


def container_of(host: Host) -> str:
    """What kind of container this runs in, empty for a machine; told from the marks that engines leave."""
    try:
        return host.read_text("/run/systemd/container", 100).strip() or "container"
    except NotReadable:
        pass
    for path, engine in _MARKS:
        try:
            host.stat(path)
        except NotReadable:
            continue
        return engine
    try:
        found = _ENGINES.search(host.read_text("/proc/1/cgroup", 64 * 1024))
    except NotReadable:
        return ""
    return found[0] if found else ""


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return re.sub(r"\\(.)", r"\1", value)
