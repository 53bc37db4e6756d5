"""Which services run, or are started with the machine, by name; what each is doing is `checks.facts.units`.

systemd lists those that run; OpenRC leaves a file of each that it started; for scripts of /etc/init.d the
links of the runlevels say which are started.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListFolder, ReadFile, RunCommand, StatPath
from checks.facts.units import LEVELS, OPENRC, SCRIPTS, SYSTEMD, TIMEOUT_S

if TYPE_CHECKING:
    from checks.facts.host import Host

MOST: Final = 1000

RUNNING: Final = RunCommand(
    (
        "systemctl",
        "list-units",
        "--type=service",
        "--state=running",
        "--full",
        "--plain",
        "--no-legend",
        "--no-pager",
    ),
    TIMEOUT_S,
)
_LINK: Final = re.compile(r"S\d\d([A-Za-z0-9][A-Za-z0-9_.-]{0,99})")
_BY_DEBIAN: Final = "init-d-script"
"""The interpreter of scripts that have every word of the LSB without saying so."""


class Services(msgspec.Struct, frozen=True):
    """Names of services as their manager knows them, sorted, of systemd without ``.service``."""

    manager: Literal["systemd", "openrc", "sysv"]
    names: tuple[str, ...] = ()


@fact
class ServiceList(Fact, frozen=True):
    """The services that run (systemd, OpenRC) or that the runlevels start (/etc/init.d).

    A script that knows no ``status`` is left out: it is never called, for who knows what it would do.
    """

    value_type: ClassVar[type] = Services
    deadline_s: ClassVar[float] = 15.0

    def describe(self) -> str:
        return f"{RUNNING.describe()}, or list {OPENRC}/started or /etc/rc<runlevel>.d"

    def asks(self) -> tuple[Ask, ...]:
        return (
            *(StatPath(path) for path in (SYSTEMD, OPENRC)),
            RUNNING,
            ListFolder(f"{OPENRC}/started"),
            *(ListFolder(folder) for folder in _folders()),
            ReadFile(f"{SCRIPTS}/<each script that a runlevel starts>"),
        )

    def read(self, host: Host) -> Services:
        if host.exists(SYSTEMD):
            done = host.execute(RUNNING)
            if done.status or done.truncated:
                raise NotReadable(f"systemctl: {done.complaint}" if done.status else "its list is too long")
            return Services("systemd", parse_running(done.out.decode(errors="replace")))
        if host.exists(OPENRC):
            return Services("openrc", tuple(sorted(_names(host, f"{OPENRC}/started"))))
        host.want(map(ListFolder, _folders()))
        links = [_LINK.fullmatch(name) for folder in _folders() for name in _names(host, folder)]
        started = sorted({link[1] for link in links if link})[:MOST]
        if not started:
            raise NotReadable("neither systemd, OpenRC nor runlevels of /etc are here", "unsupported")
        return Services("sysv", tuple(_with_status(host, started)))


def parse_running(text: str) -> tuple[str, ...]:
    """The units that ``systemctl list-units`` names; older ones put a mark before some."""
    rows = (line.split() for line in text.splitlines())
    names = (row[1] if row[0] in ("●", "*", "×") and len(row) > 1 else row[0] for row in rows if row)
    return tuple(
        sorted({name.removesuffix(".service") for name in names if name.endswith(".service")})[:MOST]
    )


def knows_status(script: str) -> bool:
    """Whether a script of /etc/init.d has the word ``status`` among those it takes."""
    if _BY_DEBIAN in script.partition("\n")[0]:
        return True
    branches = (line.partition(")") for line in script.splitlines())
    return any(
        "status" in (word.strip(" \t('\"") for word in words.split("|"))
        for words, ends, _ in branches
        if ends
    )


def _with_status(host: Host, names: list[str]) -> list[str]:
    host.want(ReadFile(f"{SCRIPTS}/{name}") for name in names)
    found = []
    for name in names:
        try:
            text = host.read_text(f"{SCRIPTS}/{name}", 256 * 1024)
        except NotReadable as problem:
            if problem.cause not in ("absent", "unsupported"):
                raise
            continue
        if knows_status(text):
            found.append(name)
    return found


def _folders() -> tuple[str, ...]:
    return tuple(f"/etc/rc{level}.d" for level in LEVELS)


def _names(host: Host, folder: str) -> list[str]:
    try:
        entries = host.list_folder(folder)
    except NotReadable as problem:
        if problem.cause != "absent":
            raise
        return []
    return [entry.name.encode(errors="replace").decode() for entry in entries][:MOST]
