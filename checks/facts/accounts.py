"""Users as the machine knows them: files first, and whoever else it asks (LDAP, SSSD) where nsswitch.conf
says so; and what /etc/shadow says of how long they are valid."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, RunCommand

if TYPE_CHECKING:
    from checks.facts.host import Host

PASSWD: Final = "/etc/passwd"
GROUP: Final = "/etc/group"
SHADOW: Final = "/etc/shadow"
SWITCH: Final = "/etc/nsswitch.conf"

TIMEOUT_S: Final = 8.0
_NAME: Final = re.compile(r"[^\s:,/\0-\x1f-][^\s:,/\0-\x1f]{0,255}")
_LOCAL: Final = frozenset(("files", "compat", "systemd", "db", "altfiles", "extrausers"))
"""Sources of nsswitch.conf that hold nothing the files do not, or only users that systemd makes up."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_DAY: Final = 2_900_000
"""Days since 1970 that still are a date of this calendar (year 9909)."""


class User(msgspec.Struct, frozen=True):
    """A user as getent(1) shows it; `group` is the primary one, `groups` are all of them by name, sorted."""

    exists: bool
    uid: int = -1
    gid: int = -1
    group: str = ""
    groups: tuple[str, ...] = ()
    home: str = ""
    shell: str = ""


class Validity(msgspec.Struct, frozen=True):
    """Until when an account and its password can be used (aware UTC, None: without end).

    `locked`: no password fits, so none can run out.
    """

    account: datetime | None = None
    password: datetime | None = None
    locked: bool = False


class Entry(msgspec.Struct, frozen=True):
    """A line of passwd(5)."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


@fact
class Account(Fact, frozen=True):
    """A user with its groups, home and shell; one that is not there is a value too."""

    value_type: ClassVar[type] = User
    deadline_s: ClassVar[float] = 20.0
    name: str

    def describe(self) -> str:
        return f"look up the user {self.name} (/etc/passwd, /etc/group; getent and id where others are asked)"

    def asks(self) -> tuple[Ask, ...]:
        # Templates wait until it is known whether the files say all.
        return (
            *(ReadFile(path) for path in (SWITCH, PASSWD, GROUP)),
            RunCommand(("getent", "passwd", f"<{self.name}, where others are asked>"), TIMEOUT_S),
            RunCommand(("getent", "group", f"<primary group of {self.name}>"), TIMEOUT_S),
            RunCommand(("id", "-Gn", f"<{self.name}, where others are asked>"), TIMEOUT_S),
        )

    def read(self, host: Host) -> User:
        if not is_name(self.name):
            raise NotReadable(f"{self.name!r:.60} is no name of a user", "unsupported")
        host.want(ReadFile(path) for path in (SWITCH, PASSWD, GROUP))
        try:
            listed = host.read_text(PASSWD)
        except NotReadable as problem:
            if problem.cause == "absent":
                raise NotReadable(f"this system has no {PASSWD}", "unsupported") from problem
            raise
        entry = _users(listed).get(self.name)
        groups = groups_in(optional_text(host, GROUP))
        if only_files(optional_text(host, SWITCH)):
            return _user(entry, groups)
        return self._through_switch(host, entry, groups)

    def _through_switch(self, host: Host, entry: Entry | None, groups: dict[str, _Group]) -> User:
        """As whoever else nsswitch.conf names tells: the user, and groups that only they know of."""
        passwd = RunCommand(("getent", "passwd", self.name), TIMEOUT_S)
        all_groups = RunCommand(("id", "-Gn", self.name), TIMEOUT_S)
        host.want([all_groups] if entry else [passwd, all_groups])
        if entry is None:
            entry = _first(_getent(host, passwd))
        if entry is None:
            return User(False)
        user = _user(entry, groups)
        done = host.execute(all_groups)
        if done.status:
            raise NotReadable(f"id: {done.complaint}")
        names = tuple(sorted(set(done.out.decode(errors="replace").split())))
        if user.group == str(entry.gid):
            line = _getent(host, RunCommand(("getent", "group", str(entry.gid)), TIMEOUT_S))
            user = msgspec.structs.replace(user, group=line.partition(":")[0] or user.group)
        return msgspec.structs.replace(user, groups=names)


@fact
class AccountValidity(Fact, frozen=True):
    """How long a user of /etc/shadow is valid (shadow(5)); what it needs to log in is never kept."""

    value_type: ClassVar[type] = Validity
    name: str

    def describe(self) -> str:
        return f"read the dates of {self.name} in {SHADOW}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(SHADOW),)

    def read(self, host: Host) -> Validity:
        for line in host.read_text(SHADOW).splitlines():
            fields = line.split(":")
            if fields[0] == self.name and len(fields) >= 8:
                return parse_validity(fields)
        raise NotReadable(f"{self.name} is not in {SHADOW}", "absent")


class _Group(msgspec.Struct, frozen=True):
    gid: int
    members: frozenset[str]


def is_name(text: str) -> bool:
    """Whether a user or group can have this name."""
    return _NAME.fullmatch(text) is not None


def parse_passwd(text: str) -> list[Entry]:
    """The lines of passwd(5) that are whole."""
    found = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 7 and fields[0] and _is_id(fields[2]) and _is_id(fields[3]):
            found.append(Entry(fields[0], int(fields[2]), int(fields[3]), fields[5], fields[6].strip()))
    return found


def parse_groups(text: str) -> dict[str, _Group]:
    """The lines of group(5) that are whole, by name."""
    found: dict[str, _Group] = {}
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and fields[0] and _is_id(fields[2]):
            members = frozenset(name.strip() for name in fields[3].split(",") if name.strip())
            found.setdefault(fields[0], _Group(int(fields[2]), members))
    return found


def only_files(switch: str) -> bool:
    """Whether nsswitch.conf(5) has users and groups looked up in files alone; without one they are."""
    for line in switch.splitlines():
        database, colon, sources = line.partition("#")[0].partition(":")
        if colon and database.strip() in ("passwd", "group", "initgroups"):
            names = re.sub(r"\[[^\]]*\]", " ", sources).split()
            if not _LOCAL.issuperset(names):
                return False
    return True


def parse_validity(fields: list[str]) -> Validity:
    """The dates in the fields of a line of shadow(5): days since 1970, none where a field is empty."""
    changed, longest, expires = (_days(fields[at]) for at in (2, 4, 7))
    password = None
    # 99999 days are how `passwd` writes "never"; a change at day 0 has to be made at the next login.
    if changed == 0:
        password = _EPOCH
    elif changed is not None and longest is not None and longest < 99999:
        password = _date(changed + longest)
    return Validity(None if expires is None else _date(expires), password, fields[1].startswith(("!", "*")))


def _user(entry: Entry | None, groups: dict[str, _Group]) -> User:
    if entry is None:
        return User(False)
    primary = next((name for name, group in groups.items() if group.gid == entry.gid), str(entry.gid))
    others = {name for name, group in groups.items() if entry.name in group.members}
    return User(
        True, entry.uid, entry.gid, primary, tuple(sorted({primary, *others})), entry.home, entry.shell
    )


@lru_cache(maxsize=8)
def _users(text: str) -> dict[str, Entry]:
    """Users by name, the first of a name; the same text comes for every user of a machine in a run."""
    return {entry.name: entry for entry in reversed(parse_passwd(text))}


groups_in = lru_cache(maxsize=8)(parse_groups)
"""The same for groups."""


def _first(line: str) -> Entry | None:
    found = parse_passwd(line)
    return found[0] if found else None


def _getent(host: Host, command: RunCommand) -> str:
    """What getent(1) prints; empty where nobody knows (exit status 2)."""
    done = host.execute(command)
    if done.status not in (0, 2):
        raise NotReadable(f"getent: {done.complaint}")
    return done.out.decode(errors="replace") if done.status == 0 else ""


def optional_text(host: Host, path: str) -> str:
    """A file's text, empty where there is none."""
    try:
        return host.read_text(path)
    except NotReadable as problem:
        if problem.cause == "absent":
            return ""
        raise


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _days(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _date(days: int) -> datetime:
    return _EPOCH + timedelta(days=min(days, _LAST_DAY))
