"""Which host keys are trusted: known_hosts files as sshd(8) describes them, read and added to.

Hashed names, patterns, ports, and the markers ``@revoked`` and ``@cert-authority`` are understood; of a
certificate authority is only known that it is there, because paramiko checks no host certificates.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import shlex
import threading
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

import msgspec

from checks.errors import BadInput

_adding = threading.Lock()


class Entry(msgspec.Struct, frozen=True):
    """One line: its marker (or none), the names as written, and the key as type and base64."""

    marker: str
    names: str
    kind: str
    key: str


class Known(msgspec.Struct, frozen=True):
    """What is known of a host: the keys to accept by type, and those that are revoked.

    `files` are those that name such a key, `unread` says of which file that is there nothing is known.
    `authority` says that certificates are trusted there, which are not checked here.
    """

    keys: dict[str, tuple[str, ...]]
    revoked: frozenset[str]
    files: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    authority: bool = False

    def accepts(self, kind: str, key: str) -> bool:
        return key in self.keys.get(kind, ()) and key not in self.revoked

    @property
    def fingerprints(self) -> str:
        """The keys to accept, in words."""
        return ", ".join(f"{kind} {fingerprint(key)}" for kind, keys in self.keys.items() for key in keys)


def known(files: Sequence[str], name: str) -> Known:
    """What the files know of a host by its name there (``host`` or ``[host]:port``)."""
    keys: dict[str, tuple[str, ...]] = {}
    revoked, found, unread, authority = set(), [], [], False
    for file in files:
        entries = _entries(file)
        if isinstance(entries, str):
            unread.append(entries)
            continue
        for entry in entries:
            if not matches(entry.names, name):
                continue
            if entry.marker == "@revoked":
                revoked.add(entry.key)
            elif entry.marker == "@cert-authority":
                authority = True
            elif not entry.marker:
                keys[entry.kind] = (*keys.get(entry.kind, ()), entry.key)
                found.append(file)
    return Known(keys, frozenset(revoked), tuple(dict.fromkeys(found)), tuple(unread), authority)


def refusal(known: Known, name: str, kind: str, key: str, trust: str) -> str:
    """Why a key that a host showed is not accepted, and what to type; empty where it is accepted."""
    shown = f"{kind} {fingerprint(key)}"
    if key in known.revoked:
        return f"the host key of {name} is revoked: {shown}"
    if known.accepts(kind, key):
        return ""
    if known.keys:
        return (
            f"the host key of {name} has changed: it shows {shown}, known is {known.fingerprints}; it may be "
            f"another machine. Once you know why: {removal(known, name)}, then {trust}"
        )
    why = "".join(f" ({file})" for file in known.unread)
    if known.authority:
        why += " (certificates of its authority are trusted, which are not checked here)"
    return (
        f"the host key of {name} is not known{why}: {shown}; compare it with the machine's own, then: {trust}"
    )


def removal(known: Known, name: str) -> str:
    """The command that removes the keys of a host from the file that has them."""
    place = next(iter(known.files), "")
    usual = not place or Path(place) == Path("~/.ssh/known_hosts").expanduser()
    return shlex.join(["ssh-keygen", "-R", name, *([] if usual else ["-f", place])])


def matches(names: str, name: str) -> bool:
    """Whether a line's names mean a host: hashed, or patterns of which a negated one has the last word."""
    if names.startswith("|1|"):
        try:
            salt, digest = (base64.b64decode(part) for part in names.split("|")[2:4])
        except (ValueError, binascii.Error):
            return False
        spelt = {name.lower(), name}
        return any(hmac.compare_digest(hmac.digest(salt, each.encode(), "sha1"), digest) for each in spelt)
    found = False
    for pattern in names.lower().split(","):
        wanted = pattern.removeprefix("!")
        plain = wanted.replace("[", "[[]") if "[" in wanted else wanted
        if fnmatchcase(name.lower(), plain):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def fingerprint(key: str) -> str:
    """``SHA256:…`` of a key in base64, as ssh-keygen prints it."""
    digest = hashlib.sha256(base64.b64decode(key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def learn(files: Sequence[str], file: str, name: str, kind: str, key: str) -> Known:
    """Append a host's key to a file, made private where it is new, unless one of the files knows the host.

    What they know then: of two connections that see different keys of a host one is refused. Raises
    `BadInput` where the key cannot be kept.
    """
    if not file:
        raise BadInput("ssh_config names no UserKnownHostsFile that the key could be kept in")
    path = Path(file)
    with _adding:
        before = known(files, name)
        if before.keys or key in before.revoked:
            return before
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "r+b") as lines:
                size = lines.seek(0, os.SEEK_END)
                torn = False
                if size:
                    lines.seek(size - 1)
                    torn = lines.read(1) != b"\n"
                lines.write(f"{chr(10) if torn else ''}{name} {kind} {key}\n".encode())
        except OSError as error:
            raise BadInput(f"{file}: the key cannot be kept: {error.strerror}") from error
        _parsed.cache_clear()
        return known(files, name)


def _entries(file: str) -> tuple[Entry, ...] | str:
    """The lines of a file, none of one that is not there; a text says why they cannot be had."""
    try:
        seen = Path(file).stat()
        return _parsed(file, seen.st_mtime_ns, seen.st_size)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        return f"{file}: {error.strerror}"


@lru_cache(maxsize=32)
def _parsed(file: str, mtime: int, size: int) -> tuple[Entry, ...]:
    del mtime, size
    text = Path(file).read_text(errors="replace")
    found = []
    for line in text.splitlines():
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        if len(fields) >= 3 and _is_key(fields[1], fields[2]):
            found.append(Entry(marker, fields[0], fields[1], fields[2]))
    return tuple(found)


def _is_key(kind: str, key: str) -> bool:
    """Whether the key is one of that type: it begins with its length and name. OpenSSH skips other lines."""
    try:
        blob = base64.b64decode(key, validate=True)
    except binascii.Error:
        return False
    return blob.startswith(len(kind).to_bytes(4, "big") + kind.encode())
