"""The process table and the listening sockets, read from ``/proc`` (proc(5)), or through psutil elsewhere.

Only what a check needs is kept: never a command line, which may hold secrets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

COMM_LENGTH: Final = 15
"""The kernel keeps this many bytes of a process's name; the rest is taken from its first argument."""

_LISTEN = b"0A"


class Process(msgspec.Struct, frozen=True):
    """A live process; `uid` is the effective one, -1 where the system has none (`user` then says who)."""

    pid: int
    name: str
    uid: int
    user: str = ""
    kernel: bool = False


class Listeners(msgspec.Struct, frozen=True):
    """Who listens for TCP. The holders of `hidden` sockets are not known; they are among the `suspects`.

    `holders` are the pids that hold each listening socket, by the socket's inode.
    """

    pids: frozenset[int]
    hidden: int = 0
    suspects: frozenset[int] = frozenset()
    holders: Mapping[str, frozenset[int]] = {}


def listeners_of(
    held: Mapping[int, frozenset[str]], listening: frozenset[str], suspects: frozenset[int]
) -> Listeners:
    """Who holds which of the listening sockets (inodes), and how many nobody was seen to hold."""
    holders: dict[str, set[int]] = {}
    for pid, inodes in held.items():
        for inode in inodes & listening:
            holders.setdefault(inode, set()).add(pid)
    known = {inode: frozenset(pids) for inode, pids in holders.items()}
    pids = frozenset().union(*known.values())
    # A socket that nobody holds although all could be read belongs to the kernel or another container.
    return Listeners(pids, len(listening - known.keys()) if suspects else 0, suspects, known)


def read_processes(proc: str) -> tuple[Process, ...]:
    """Every process below ``/proc`` that has not ended, by pid."""
    found = []
    with os.scandir(proc) as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
    for pid in sorted(pids):
        process = _read_process(proc, pid)
        if process is not None:
            found.append(process)
    return tuple(found)


def processes_by_psutil() -> tuple[Process, ...]:
    """The same where there is no ``/proc``: Windows and macOS."""
    import psutil

    found = []
    for process in psutil.process_iter(["name", "username", "status"]):
        seen = process.info
        if seen["status"] != psutil.STATUS_ZOMBIE:
            found.append(Process(process.pid, seen["name"] or "", -1, seen["username"] or ""))
    return tuple(found)


def read_listeners(proc: str, processes: Sequence[Process]) -> Listeners:
    """Who of the processes listens for TCP in this network namespace."""
    wanted = _listening_inodes(f"{proc}/net/tcp") | _listening_inodes(f"{proc}/net/tcp6")
    held: dict[int, frozenset[str]] = {}
    suspects = set()
    for process in processes if wanted else ():
        if process.kernel:
            continue
        try:
            held[process.pid] = frozenset(
                inode.decode() for inode in _socket_inodes(f"{proc}/{process.pid}/fd") & wanted
            )
        except PermissionError:
            suspects.add(process.pid)
        except OSError:
            continue
    return listeners_of(held, frozenset(inode.decode() for inode in wanted), frozenset(suspects))


def _read_process(proc: str, pid: int) -> Process | None:
    try:
        text = _head(f"{proc}/{pid}/status", 4096)
    except OSError:
        return None
    # Four of some sixty fields: to take the text apart would cost more than to read it.
    state, uids = _field(text, b"\nState:\t"), _field(text, b"\nUid:\t").split()
    if state[:1] in b"ZX" or len(uids) < 2:
        return None
    name = text.partition(b"\n")[0].removeprefix(b"Name:\t")
    if len(name) >= COMM_LENGTH:
        name = _long_name(proc, pid, name)
    kernel = b"\nVmSize:\t" not in text
    return Process(pid, name.decode(errors="replace"), int(uids[1]), kernel=kernel)


def _field(text: bytes, name: bytes) -> bytes:
    """The rest of the line that begins so; empty where there is none."""
    start = text.find(name)
    if start < 0:
        return b""
    start += len(name)
    end = text.find(b"\n", start)
    return text[start:] if end < 0 else text[start:end]


def _long_name(proc: str, pid: int, short: bytes) -> bytes:
    """The name that the kernel cut off, where the first argument goes on with it."""
    try:
        first = _head(f"{proc}/{pid}/cmdline", 4096).split(b"\0", 1)[0]
    except OSError:
        return short
    name = first.rpartition(b"/")[2].split(b" ", 1)[0]
    return name if name.startswith(short) else short


def _listening_inodes(path: str) -> set[bytes]:
    """Socket inodes in state LISTEN; the kernel lists them before all others."""
    inodes: set[bytes] = set()
    with suppress(FileNotFoundError), Path(path).open("rb") as file:
        next(file, None)
        for line in file:
            fields = line.split()
            if len(fields) < 10 or fields[3] != _LISTEN:
                break
            inodes.add(fields[9])
    return inodes


def _socket_inodes(path: str) -> set[bytes]:
    inodes = set()
    folder = os.open(path, os.O_RDONLY)
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            with suppress(FileNotFoundError):
                link = os.readlink(name, dir_fd=folder)
                if link.startswith("socket:["):
                    inodes.add(link[8:-1].encode())
    finally:
        os.close(folder)
    return inodes


def _head(path: str, limit: int) -> bytes:
    """The start of a small kernel file, in three system calls: this is done for every process there is."""
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, limit)
    finally:
        os.close(handle)
