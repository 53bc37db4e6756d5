"""What sections and tools print, as what it means.

All of it raises ValueError or IndexError for what makes no sense.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from checks.facts.answered import Failed, ProcessTable, Sockets
from checks.facts.child import Output
from checks.facts.pathinfo import Space, Stat
from checks.facts.processtable import Process
from checks.facts.shell import COMMAND_LIMIT

_CLOCK_YES: Final = ("NTPSynchronized=yes", "clock synchronized: yes", "NTP synchronized: yes")
_CLOCK_NO: Final = ("NTPSynchronized=no", "clock synchronized: no", "NTP synchronized: no")
_NOBODY_US: Final = 16_000_000

_USERS: Final = re.compile(r"users:\(\(.*\)\)")
_HOLDER: Final = re.compile(r"\",pid=(\d+),fd=\d+\)(?=,\(|\))")
_INODE: Final = re.compile(r" ino:(\d+)")
"""In a line of ss(8): who holds the socket, ``users:(("sshd",pid=1,fd=3))``, and its number."""


class Timing(msgspec.Struct, frozen=True):
    """When the script was sent and when its first section had come back, in Unix seconds of the agent."""

    sent: float
    received: float


def offset(out: bytes, timing: Timing) -> tuple[float, float]:
    """The far clock against the middle of the way there and back; the half of it is the doubt."""
    seconds, _, fraction = out.decode().strip().partition(".")
    fine = fraction.isdigit()
    there = int(seconds) + (float(f"0.{fraction}") if fine else 0.5)
    half = max(0.0, (timing.received - timing.sent) / 2)
    ahead = there - (timing.sent + timing.received) / 2
    return round(ahead, 6), round(half + (0.0 if fine else 0.5), 6)


def processes(out: bytes) -> ProcessTable | Failed:
    """All processes but the script itself and what it started."""
    lines = out.decode(errors="replace").split("\n")
    first = lines.index("first")
    last = lines.index("users", first)
    if not lines[0].startswith("self "):
        raise ValueError(lines[0])
    mine = int(lines[0].split()[1])
    found: dict[int, tuple[int, int, bool, str]] = {}
    for line in lines[1:first]:
        pid, parent, uid, user_space, name = line.split(" ", 4)
        found[int(pid)] = (int(parent), int(uid), user_space == "0", name)
    if not found:
        return Failed("this system has no /proc to read processes from", "unsupported")
    firsts = dict(line.split(" ", 1) for line in lines[first + 1 : last])
    users: dict[int, str] = {}
    for line in lines[last + 1 :]:
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdigit():
            users.setdefault(int(fields[2]), fields[0])
    return ProcessTable(
        tuple(
            Process(pid, _whole_name(name, firsts.get(str(pid), "")), uid, users.get(uid, str(uid)), kernel)
            for pid, (_, uid, kernel, name) in sorted(found.items())
            if not _below(pid, mine, found)
        ),
        root=mine in found and found[mine][1] == 0,
    )


def listeners(out: bytes) -> Sockets:
    """Both of what ss says and of what was found without it."""
    lines = out.decode(errors="replace").split("\n")
    if lines[0] != "listeners":
        raise ValueError(lines[0])
    listening: set[str] = set()
    held: dict[int, set[str]] = {}
    denied = set()
    for line in lines[1:]:
        words = line.split()
        if words[:1] == ["listens"]:
            listening.add(words[1])
        elif words[:1] == ["holds"]:
            held.setdefault(int(words[1]), set()).add(words[2])
        elif words[:1] == ["denied"]:
            denied.add(int(words[1]))
        else:
            users = _USERS.search(line)
            inode = _INODE.search(line, users.end() if users else 0)
            if inode is None:
                continue
            listening.add(inode[1])
            for pid in _HOLDER.findall(users[0]) if users else ():
                held.setdefault(int(pid), set()).add(inode[1])
    # Who could not be looked into matters only where somebody is still sought.
    sought = listening.difference(*held.values())
    kept = {pid: frozenset(inodes) for pid, inodes in held.items()}
    return Sockets(frozenset(listening), kept, frozenset(denied if sought else ()))


def clock(out: bytes) -> int | Failed | None:
    """The possible error in microseconds, or None from one who only says that the clock is kept."""
    text = out.decode(errors="replace")
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "maxerror":
            return int(value.split()[0])
    if any(word in text for word in _CLOCK_YES):
        return None
    if any(word in text for word in _CLOCK_NO):
        return _NOBODY_US
    return Failed("neither adjtimex nor timedatectl tells the clock's state there", "unsupported")


def command(out: bytes, name: str, nonce: str) -> Output | Failed:
    """Standard output, and behind frames what went to standard error and the exit status."""
    if out.endswith(f"\n{nonce} absent\n".encode()):
        return Failed(f"{name} is not installed", "absent")
    out, _, rest = out.partition(f"\n{nonce} err\n".encode())
    err, _, status = rest.rpartition(f"{nonce} status ".encode())
    return Output(int(status), out[:COMMAND_LIMIT], err.removesuffix(b"\n"), len(out) > COMMAND_LIMIT)


def _whole_name(name: str, first: str) -> str:
    return first if first and first.startswith(name) else name


def _below(pid: int, top: int, found: dict[int, tuple[int, int, bool, str]]) -> bool:
    """Whether a process is the script itself or was started by it."""
    for _ in range(100):
        if pid == top:
            return True
        if pid not in found:
            return False
        pid = found[pid][0]
    return False


def stat(fields: str) -> Stat:
    """A line of `STAT_FORM`, up to the path."""
    mode, uid, gid, size, mtime, user, group, _ = fields.split(":", 7)
    return Stat(int(mode, 16), int(uid), int(gid), int(size), int(mtime), _name(user, uid), _name(group, gid))


def _name(name: str, number: str) -> str:
    return number if name in ("", "UNKNOWN") else name


def space(fields: str) -> Space:
    """A line of `SPACE_FORM`, up to the path."""
    block, total, free, available, inodes, inodes_free, _ = fields.split(":", 6)
    size = int(block)
    return Space(size * int(total), size * int(free), size * int(available), int(inodes), int(inodes_free))


def digest(fields: str) -> str:
    """A line of sha256sum(1), up to the path; a backslash before it says that the path is quoted."""
    said = fields.split()[0].lstrip("\\")
    if len(said) != 64:
        raise ValueError(said)
    return said
