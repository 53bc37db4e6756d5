"""What is odd about a machine's own accounts, told from passwd(5) and shadow(5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.accounts import PASSWD, SHADOW, Entry, optional_text, parse_passwd
from checks.facts.asks import Ask, ReadFile

if TYPE_CHECKING:
    from checks.facts.host import Host

LOGIN_DEFS: Final = "/etc/login.defs"

_NO_SHELLS: Final = frozenset(("nologin", "false", "true", "sync", "shutdown", "halt", "git-shell"))


class Survey(msgspec.Struct, frozen=True):
    """What is odd about the local accounts, by name and sorted.

    `roots` are those with the user id 0, `shells` the system's own (below the first uid for people) that can
    log in, `passwordless` those with no password at all, None where /etc/shadow could not be read, and why.
    """

    roots: tuple[str, ...]
    shells: tuple[str, ...]
    passwordless: tuple[str, ...] | None = None
    unread: str = ""
    cause: str = ""


@fact
class AccountSurvey(Fact, frozen=True):
    """What is odd about the accounts of /etc/passwd and /etc/shadow."""

    value_type: ClassVar[type] = Survey

    def describe(self) -> str:
        return f"read {PASSWD}, {LOGIN_DEFS} and which passwords of {SHADOW} are empty"

    def asks(self) -> tuple[Ask, ...]:
        return tuple(ReadFile(path) for path in (PASSWD, LOGIN_DEFS, SHADOW))

    def read(self, host: Host) -> Survey:
        host.want(self.asks())
        passwd = host.read_text(PASSWD)
        entries = parse_passwd(passwd)
        roots = tuple(sorted({each.name for each in entries if each.uid == 0}))
        first = first_person(optional_text(host, LOGIN_DEFS))
        shells = tuple(sorted({each.name for each in entries if 0 < each.uid < first and logs_in(each)}))
        open_here = without_password(passwd)
        try:
            shadow = host.read_text(SHADOW)
        except NotReadable as problem:
            # Without a shadow file passwords stand in /etc/passwd itself.
            if problem.cause != "absent":
                return Survey(roots, shells, None, problem.reason, problem.cause)
            shadow = ""
        return Survey(roots, shells, tuple(sorted({*open_here, *without_password(shadow)})))


def without_password(text: str) -> set[str]:
    """Names in passwd(5) or shadow(5) whose password is empty: they log in with none."""
    lines = (line.split(":") for line in text.splitlines())
    return {fields[0] for fields in lines if len(fields) >= 2 and fields[0] and not fields[1]}


def first_person(defs: str) -> int:
    """UID_MIN of login.defs(5): ids from there on are people's."""
    found = re.search(r"^[ \t]*UID_MIN[ \t]+(\d{1,9})[ \t]*$", defs, re.MULTILINE)
    return int(found[1]) if found else 1000


def logs_in(entry: Entry) -> bool:
    """Whether a shell lets somebody in; an empty one is /bin/sh. sync(1) only syncs, shutdown and halt are as
    old as the file."""
    return (entry.shell or "/bin/sh").rpartition("/")[2] not in _NO_SHELLS
