"""Proxy settings wherever a system keeps them, and whether a proxy lets through; passwords are masked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListFolder, ListProcesses, ReadFile, StatPath, Talk
from checks.facts.named_secret import refuse_unnamed, secret_of
from checks.facts.process import named
from checks.facts.proxyrules import (
    NAMES,
    kept,
    parse_apt,
    parse_environment,
    parse_variables,
    place_of,
    shown,
)
from checks.facts.secrets import masked

if TYPE_CHECKING:
    from checks.facts.dial import Dialer
    from checks.facts.host import Host

ENVIRONMENT: Final = "/etc/environment"
PROFILES: Final = "/etc/profile.d"
APT: Final = "/etc/apt/apt.conf.d"
SYSTEM: Final = "the system's settings"
MAX_TIMEOUT_S: Final = 30.0
MAX_PROCESSES: Final = 20
HEAD_LIMIT: Final = 16 * 1024


class ProxySource(msgspec.Struct, frozen=True):
    """The proxy variables of one place, by the name they have there; passwords in them are masked."""

    where: str
    settings: dict[str, str]


class Proxies(msgspec.Struct, frozen=True):
    """All places that name a proxy."""

    sources: tuple[ProxySource, ...] = ()


class Tunnel(msgspec.Struct, frozen=True):
    """What a proxy said to CONNECT: `status` is 0 where no answer came; `outcome` as of a connect, ``open``,
    ``login`` (407), ``denied`` or ``broken``."""

    outcome: str
    proxy: str
    status: int = 0
    detail: str = ""


class ProxyConnect(Talk, frozen=True, tag="proxy-connect"):
    """CONNECT to `to` through a proxy (RFC 9110 9.3.6), and nothing over it. `login` names a secret that is
    ``user:password``; `timeout` in seconds for all of it."""

    proxy: str
    to: str
    login: str = ""
    timeout: float | str = 5.0

    @property
    def destination(self) -> tuple[str, int | str]:
        place = place_of(self.proxy)
        return (place[1], place[2]) if place else (self.proxy, "")

    def describe(self) -> str:
        return f"ask {self.proxy} to CONNECT to {self.to}"

    def talk(self, dialer: Dialer) -> Tunnel:
        from base64 import b64encode

        from checks.facts.deadline import Deadline
        from checks.facts.dial import NotConnected

        place = place_of(self.proxy)
        if place is None or place[0] != "http":
            raise NotReadable(f"a proxy such as {self.proxy} cannot be tried", "unsupported")
        lines = [f"CONNECT {self.to} HTTP/1.1", f"Host: {self.to}", "User-Agent: firstlight"]
        if self.login:
            login = b64encode(secret_of(self.login).reveal().encode()).decode()
            lines.append(f"Proxy-Authorization: Basic {login}")
        seconds = float(self.timeout)
        try:
            with Deadline(seconds) as deadline, dialer.connect(place[1], place[2], seconds) as link:
                deadline.watch(link)
                link.sendall("\r\n".join([*lines, "", ""]).encode("latin-1", errors="replace"))
                head = b""
                while b"\r\n\r\n" not in head and b"\n\n" not in head and len(head) < HEAD_LIMIT:
                    part = link.recv(4096)
                    if not part:
                        break
                    head += part
        except NotConnected as problem:
            said = problem.connection
            return Tunnel(said.outcome, self.proxy, 0, said.detail)
        except OSError as problem:
            if isinstance(problem, TimeoutError) or deadline.passed:
                return Tunnel("timeout", self.proxy, 0, f"no answer within {seconds:g} s")
            return Tunnel("broken", self.proxy, 0, problem.strerror or str(problem))
        if deadline.passed:
            return Tunnel("timeout", self.proxy, 0, f"no answer within {seconds:g} s")
        return _told(head, self.proxy)


@fact
class ProxySettings(Fact, frozen=True):
    """Proxy variables of /etc/environment, of login shells and of apt; and of a running program's
    environment, of which nothing else is looked at."""

    value_type: ClassVar[type] = Proxies
    process: str = ""

    def describe(self) -> str:
        running = f", and of the environment of {self.process}" if self.process else ""
        return f"read the proxy variables of {ENVIRONMENT}, {PROFILES}, {APT}{running}"

    def asks(self) -> tuple[Ask, ...]:
        files = (ReadFile(ENVIRONMENT), ListFolder(PROFILES), ListFolder(APT), ReadFile("/etc/apt/apt.conf"))
        within = (ReadFile(f"{PROFILES}/<file>"), ReadFile(f"{APT}/<file>"))
        running = (
            (ListProcesses(), ReadFile(f"/proc/<pid of {self.process}>/environ")) if self.process else ()
        )
        return (StatPath("/etc"), *files, *within, *running)

    def read(self, host: Host) -> Proxies:
        try:
            host.stat("/etc")
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            host.only_here("the proxy settings of a system without /etc")
            return _elsewhere()
        files = _files(host)
        found = [ProxySource(ENVIRONMENT, parse_variables(_text(host, ENVIRONMENT)))]
        found += [
            ProxySource(path, parse_variables(_text(host, path))) for path in files if path.endswith(".sh")
        ]
        found += [
            ProxySource(path, parse_apt(_text(host, path))) for path in files if not path.endswith(".sh")
        ]
        found += _running(host, self.process) if self.process else []
        return Proxies(tuple(each for each in found if each.settings))


@fact
class ProxyTunnel(Fact, frozen=True):
    """Whether a proxy lets through to a destination: the one that is given, or that the system's settings
    name (those of `process` before all others)."""

    value_type: ClassVar[type] = Tunnel
    deadline_s: ClassVar[float] = MAX_TIMEOUT_S + 15.0
    to: str
    proxy: str = ""
    process: str = ""
    login: str = ""
    timeout: float | str = 5.0

    def __post_init__(self) -> None:
        refuse_unnamed(self.login, "the proxy's login")

    def describe(self) -> str:
        return self._ask(self.proxy or "<proxy that is set>").describe()

    def asks(self) -> tuple[Ask, ...]:
        settings = () if self.proxy else ProxySettings(self.process).asks()
        return (*settings, self._ask(self.proxy or "<proxy that is set>"))

    def read(self, host: Host) -> Tunnel:
        from checks.facts.reach import WANTED, destination_of

        if destination_of(self.to) is None:
            raise NotReadable(f"{self.to!r:.100} is no destination; write {WANTED}", "unsupported")
        proxy = self.proxy or chosen(ProxySettings(self.process).read(host))
        if not proxy:
            raise NotReadable("no proxy is set that could be tried", "absent")
        said: Tunnel = host.talk(self._ask(proxy))
        return said

    @classmethod
    def settled(cls, value: Tunnel) -> dict[str, str]:
        """What came of it, through which proxy."""
        return {"outcome": value.outcome, "proxy": value.proxy}

    def _ask(self, proxy: str) -> ProxyConnect:
        timeout = self.timeout
        if not isinstance(timeout, str):
            timeout = min(max(float(timeout), 0.1), MAX_TIMEOUT_S)
        return ProxyConnect(proxy if proxy.startswith("<") else shown(proxy), self.to, self.login, timeout)


def chosen(proxies: Proxies) -> str:
    """The proxy that a program would use for HTTPS; what runs counts before what is written."""
    for source in reversed(proxies.sources):
        lower = {name.lower(): value for name, value in source.settings.items()}
        for name in ("https_proxy", "http_proxy", "all_proxy"):
            if place_of(lower.get(name, "")):
                return lower[name]
    return ""


def _told(head: bytes, proxy: str) -> Tunnel:
    line = head.split(b"\n", 1)[0].decode("latin-1").strip()
    found = re.fullmatch(r"HTTP/1\.[01] ([1-5]\d\d)(?: (.*))?", line)
    if found is None:
        said = "it closed the connection" if not head else "it does not speak HTTP"
        return Tunnel("broken", proxy, 0, said)
    status = int(found[1])
    outcome = "open" if 200 <= status < 300 else "login" if status == 407 else "denied"
    return Tunnel(outcome, proxy, status, masked(line)[:200])


def _files(host: Host) -> list[str]:
    """The files that may set a proxy: scripts of login shells, and of apt."""
    host.want((ReadFile(ENVIRONMENT), ListFolder(PROFILES), ListFolder(APT), ReadFile("/etc/apt/apt.conf")))
    found = [f"{PROFILES}/{name}" for name in _listed(host, PROFILES) if name.endswith(".sh")]
    found += ["/etc/apt/apt.conf"]
    # As apt.conf(5) has it: no extension, or .conf.
    found += [f"{APT}/{name}" for name in _listed(host, APT) if re.fullmatch(r"[\w-]+(\.conf)?", name)]
    host.want(ReadFile(path) for path in found)
    return found


def _listed(host: Host, folder: str) -> list[str]:
    try:
        return [entry.name for entry in host.list_folder(folder) if entry.type == "file"]
    except NotReadable as problem:
        if problem.cause != "absent":
            raise
        return []


def _text(host: Host, path: str) -> str:
    try:
        return host.read_text(path, 256 * 1024)
    except NotReadable as problem:
        if problem.cause != "absent":
            raise
        return ""


def _running(host: Host, process: str) -> list[ProxySource]:
    """Of the processes of a name; two with the same settings are one place."""
    pids = [each.pid for each in named(host.processes(), process)][:MAX_PROCESSES]
    if not pids:
        raise NotReadable(f"{process} does not run", "absent")
    host.want(ReadFile(f"/proc/{pid}/environ") for pid in pids)
    seen: dict[tuple[tuple[str, str], ...], None] = {}
    for pid in pids:
        try:
            found = parse_environment(host.read_bytes(f"/proc/{pid}/environ"))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            continue
        seen[tuple(sorted(found.items()))] = None
    return [ProxySource(f"the running {process}", dict(each)) for each in seen]


def _elsewhere() -> Proxies:
    """Windows and macOS: the environment, and what people set in the system's dialogs."""
    from urllib.request import getproxies

    found = {f"{kind}_proxy": kept(f"{kind}_proxy", value) for kind, value in getproxies().items()}
    known = {name: value for name, value in found.items() if name in NAMES}
    return Proxies((ProxySource(SYSTEM, known),) if known else ())
