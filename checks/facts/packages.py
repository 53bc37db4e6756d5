"""Installed packages, from the package manager that owns the machine: dpkg, rpm or apk.

The whole list is asked for once in a run, however many packages are looked for in it. On this machine dpkg's
own database is looked at instead of dpkg-query, which costs a sixth and says the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListFolder, ReadFile, ReadFrom, RunCommand, StatPath
from checks.facts.host import FILE_LIMIT

if TYPE_CHECKING:
    from checks.facts.host import Host

DPKG_DATABASE: Final = "/var/lib/dpkg/status"
DPKG_JOURNAL: Final = "/var/lib/dpkg/updates"
"""Where dpkg keeps, under numbers, what is not in its database yet while it is at work."""

APK_DATABASES: Final = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
RPM_DATABASES: Final = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")

DPKG: Final = RunCommand(
    (
        "dpkg-query",
        "--show",
        "--showformat",
        "${Package}\t${Version}\t${Architecture}\t${db:Status-Status}\n",
    ),
    10.0,
    if_there=(DPKG_DATABASE,),
)
# Where dpkg is at home rpm is a guest, whose query would make a database of its own in the user's folder.
RPM: Final = RunCommand(
    ("rpm", "-qa", "--queryformat", "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\tinstalled\n"),
    20.0,
    if_there=RPM_DATABASES,
    unless_there=(DPKG_DATABASE, *APK_DATABASES),
)

DATABASE_LIMIT: Final = 8 * FILE_LIMIT

_NAME: Final = b"Package: "

Manager = Literal["dpkg", "rpm", "apk"]
Listed = dict[str, tuple[str, ...]]


class Installed(msgspec.Struct, frozen=True):
    """The versions of one package that are installed (several of a kernel, or of two architectures), sorted;
    none where it is not. Each as its manager writes it: ``1:9.2p1-2+deb12u5``."""

    manager: Manager
    versions: tuple[str, ...] = ()


@fact
class Package(Fact, frozen=True):
    """Whether a package is installed, and in which version; ``name:arch`` means one architecture."""

    value_type: ClassVar[type] = Installed
    deadline_s: ClassVar[float] = 30.0
    name: str

    def describe(self) -> str:
        return f"look for {self.name} in the list of packages (dpkg's or apk's database, dpkg-query, rpm -qa)"

    def asks(self) -> tuple[Ask, ...]:
        return (
            ListFolder(DPKG_JOURNAL),
            *(StatPath(path) for path in (DPKG_DATABASE, *RPM_DATABASES)),
            *(ReadFile(path) for path in APK_DATABASES),
            DPKG,
            RPM,
            # A template, so that from a distance it waits until it is known that there is no dpkg-query.
            ReadFrom(DPKG_DATABASE, "<where the part before ended>"),
        )

    def read(self, host: Host) -> Installed:
        by_name = _at_hand(host)
        if by_name is not None:
            plain = self.name.partition(":")[0].encode(errors="replace")
            return Installed("dpkg", parse_status(by_name.get(plain, b"")).get(self.name, ()))
        manager, listed = installed_packages(host)
        return Installed(manager, listed.get(self.name, ()))


def parse_list(out: bytes) -> Listed:
    """Versions by name, and by ``name:arch``, in lines of name, version, architecture and status."""
    found: Listed = {}
    for line in out.decode(errors="replace").splitlines():
        fields = line.split("\t")
        if len(fields) == 4 and fields[0] and fields[3] == "installed":
            version = fields[1].removeprefix("(none):").removeprefix("0:")
            for name in (fields[0], f"{fields[0]}:{fields[2]}"):
                others = found.get(name)
                found[name] = (version,) if others is None else tuple(sorted({*others, version}))
    return found


def parse_apk(data: bytes) -> Listed:
    """The same from apk's database: paragraphs of ``P:name``, ``V:version`` and ``A:arch``."""
    found: Listed = {}
    for paragraph in data.decode(errors="replace").split("\n\n"):
        lines = (line.partition(":") for line in paragraph.splitlines())
        fields = {key: value for key, _, value in lines if key in ("P", "V", "A")}
        if fields.get("P") and fields.get("V"):
            found[fields["P"]] = found[f"{fields['P']}:{fields.get('A', '')}"] = (fields["V"],)
    return found


def parse_status(data: bytes) -> Listed:
    """The same from dpkg's own database, for machines that have it without its tools."""
    lines = []
    for paragraph in data.decode(errors="replace").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line[:20])
        words = (
            fields.get(key, "").split(" ")[-1] for key in ("Package", "Version", "Architecture", "Status")
        )
        lines.append("\t".join(words))
    return parse_list("\n".join(lines).encode())


_listed = lru_cache(maxsize=8)(parse_list)
_listed_by_apk = lru_cache(maxsize=8)(parse_apk)
_listed_by_status = lru_cache(maxsize=8)(parse_status)
"""The same bytes come for every package of a machine in a run."""


def installed_packages(host: Host) -> tuple[Manager, Listed]:
    """All packages, and who manages them; asks what `Package` asks."""
    if host.exists(DPKG_DATABASE):
        try:
            return "dpkg", _by_command(host, DPKG)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
        return "dpkg", _listed_by_status(_whole(host, DPKG_DATABASE))
    for path in APK_DATABASES:
        try:
            return "apk", _listed_by_apk(host.read_bytes(path))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
    if any(host.exists(path) for path in RPM_DATABASES):
        return "rpm", _by_command(host, RPM)
    raise NotReadable("this system has no package database of dpkg, rpm or apk", "unsupported")


def _at_hand(host: Host) -> dict[bytes, bytes] | None:
    """dpkg's database by package, where it is on this machine and nothing is missing in it; else None."""
    if host.distant:
        return None
    try:
        if any(entry.name.isdigit() for entry in host.list_folder(DPKG_JOURNAL)):
            return None
        data = host.read_from(DPKG_DATABASE, 0)
    except NotReadable:
        return None
    return _paragraphs(data) if len(data) < FILE_LIMIT else None


@lru_cache(maxsize=2)
def _paragraphs(data: bytes) -> dict[bytes, bytes]:
    """The paragraphs of dpkg's database by name, those of several architectures together."""
    found: dict[bytes, bytes] = {}
    for paragraph in data.split(b"\n\n"):
        # dpkg writes the name first; it may stand anywhere.
        name = paragraph.partition(b"\n")[0] if paragraph.startswith(_NAME) else _name_line(paragraph)
        if name:
            name = name.removeprefix(_NAME).strip()
            found[name] = found[name] + b"\n\n" + paragraph if name in found else paragraph
    return found


def _name_line(paragraph: bytes) -> bytes:
    return next((line for line in paragraph.splitlines() if line.startswith(_NAME)), b"")


def _whole(host: Host, path: str) -> bytes:
    """A file of several times the size that one read gives."""
    data = b""
    while len(data) < DATABASE_LIMIT:
        part = host.read_from(path, len(data))
        data += part
        if len(part) < FILE_LIMIT:
            return data
    raise NotReadable(f"{path} is larger than {DATABASE_LIMIT // 1048576} MiB", "too-large")


def _by_command(host: Host, command: RunCommand) -> Listed:
    done = host.execute(command)
    if done.status or done.truncated:
        raise NotReadable(
            f"{command.argv[0]}: {done.complaint}" if done.status else "the list of packages is too long",
            "failed" if done.status else "too-large",
        )
    return _listed(done.out)
