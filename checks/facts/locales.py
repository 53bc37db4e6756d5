"""Which locale programs get: what the system sets for them, and what a running one has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListProcesses, ReadFile, RunCommand
from checks.facts.host import MOUNT_TABLE
from checks.facts.process import named, refuse_if_hidden
from checks.facts.system import CONTAINER_ASKS, container_of

if TYPE_CHECKING:
    from checks.facts.host import Host

_FILES: Final = ("/etc/locale.conf", "/etc/default/locale", "/etc/sysconfig/i18n")
_LISTED: Final = RunCommand(("locale", "-a"))
_CODE_PAGE: Final = r"SYSTEM\CurrentControlSet\Control\Nls\CodePage"
_OSRELEASE: Final = "/proc/sys/kernel/osrelease"
_DECIDES: Final = ("LC_ALL", "LC_CTYPE", "LANG")
"""The variables that decide about the character set, the first that is set (locale(7))."""

_NAME: Final = r"[A-Za-z0-9_.@-]{1,60}"
_PROCESSES: Final = 20


class Setting(msgspec.Struct, frozen=True):
    """The locale that decides about characters: `name` is empty where none is set, `file` says where it is.

    `known` is False where the C library lists its locales and this one is not among them. `code_page` is what
    Windows has instead.
    """

    name: str = ""
    file: str = ""
    known: bool = True
    container: str = ""
    code_page: str = ""


@fact
class SystemLocale(Fact, frozen=True):
    """The locale that the system sets for services and logins."""

    value_type: ClassVar[type] = Setting

    def describe(self) -> str:
        return f"read {', '.join(_FILES)}; run locale -a"

    def asks(self) -> tuple[Ask, ...]:
        return (*(ReadFile(path) for path in (*_FILES, _OSRELEASE)), _LISTED, *CONTAINER_ASKS)

    def read(self, host: Host) -> Setting:
        host.want(self.asks())
        for path in _FILES:
            try:
                name = locale_in(host.read_text(path, 64 * 1024))
            except NotReadable as problem:
                if problem.cause != "absent":
                    raise
                continue
            if name:
                return Setting(name, path, _is_known(host, name), container_of(host))
        try:
            host.read_bytes(_OSRELEASE)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            host.only_here("the locale of a system without /proc")
            return locale_here()
        return Setting(container=container_of(host))


def locale_here() -> Setting:
    """The same where there is no ``/proc``: on Windows the code page of programs that know no Unicode."""
    import platform

    if platform.system() != "Windows":
        raise NotReadable("the locale of this system is a matter of each user", "unsupported")
    from checks.facts.windows import registry_value

    page = registry_value(_CODE_PAGE, "ACP")
    if not page:
        raise NotReadable("the registry names no code page", "absent")
    return Setting(code_page=page[:20])


def locale_in(text: str) -> str:
    """The value of the variable that decides, in a file of assignments; empty where none is set."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        value = value.strip().strip("\"'")
        if equals and name.strip() in _DECIDES and re.fullmatch(_NAME, value):
            found[name.strip()] = value
    return next((found[name] for name in _DECIDES if name in found), "")


def is_utf8(name: str) -> bool:
    """Whether a locale's name says that its characters are UTF-8: ``de_DE.UTF-8``, ``C.utf8@x``."""
    _, _, codeset = name.partition("@")[0].partition(".")
    return codeset.lower().replace("-", "") == "utf8"


def _is_known(host: Host, name: str) -> bool:
    """Whether the C library has the locale; true where nothing lists them (musl needs no list)."""
    try:
        done = host.execute(_LISTED)
    except NotReadable:
        return True
    listed = done.out.decode(errors="replace").split()
    return done.status != 0 or done.truncated or not listed or _plain(name) in map(_plain, listed)


def _plain(name: str) -> str:
    """A name as glibc compares it: the codeset without case and hyphens."""
    language, dot, rest = name.partition(".")
    codeset, at, modifier = rest.partition("@")
    return language + dot + codeset.lower().replace("-", "") + at + modifier


@fact
class ProcessLocale(Fact, frozen=True):
    """The locales of the running processes of one name; of their environment nothing else is kept.

    The value holds each locale once, sorted; an empty name stands for none.
    """

    value_type: ClassVar[Any] = tuple[str, ...]
    name: str

    def describe(self) -> str:
        return f"read LANG and LC_* in {self._environment}"

    @property
    def _environment(self) -> str:
        return f"/proc/<pid of {self.name}>/environ"

    def asks(self) -> tuple[Ask, ...]:
        return (ListProcesses(), ReadFile(MOUNT_TABLE), ReadFile(self._environment))

    def read(self, host: Host) -> tuple[str, ...]:
        processes = named(host.processes(), self.name)[:_PROCESSES]
        if not processes:
            refuse_if_hidden(host)
            return ()
        paths = [f"/proc/{process.pid}/environ" for process in processes]
        host.want(ReadFile(path) for path in paths)
        found = set()
        for path in paths:
            try:
                found.add(locale_in_environment(host.read_bytes(path)))
            except NotReadable as problem:
                if problem.cause != "absent":  # it ended meanwhile
                    raise
        return tuple(sorted(found))


def locale_in_environment(data: bytes) -> str:
    """The locale in the bytes of ``/proc/PID/environ``; every other variable is passed over unread."""
    found = {}
    for part in data.split(b"\0"):
        name, equals, value = part.partition(b"=")
        if equals and name.decode(errors="replace") in _DECIDES:
            text = value.decode(errors="replace")
            if re.fullmatch(_NAME, text):
                found[name.decode()] = text
    return next((found[name] for name in _DECIDES if name in found), "")
