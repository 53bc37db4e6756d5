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
    """What is known of a host: the keys to accept by type, and those that are revoked everywhere."""

    keys: dict[str, tuple[str, ...]]
    revoked: frozenset[str]

    def accepts(self, kind: str, key: str) -> bool:
        return key in self.keys.get(kind, ()) and key not in self.revoked


def known(files: Sequence[str], name: str) -> Known:
    """What the files know of a host by its name there (``host`` or ``[host]:port``)."""
    keys: dict[str, tuple[str, ...]] = {}
    revoked = set()
    for file in files:
        for entry in _entries(file):
            if entry.marker == "@cert-authority" or not matches(entry.names, name):
                continue
            if entry.marker == "@revoked":
                revoked.add(entry.key)
            elif not entry.marker:
                keys[entry.kind] = (*keys.get(entry.kind, ()), entry.key)
    return Known(keys, frozenset(revoked))


def matches(names: str, name: str) -> bool:
    """Whether a line's names mean a host: hashed, or patterns of which a negated one has the last word."""
    if names.startswith("|1|"):
        try:
            salt, digest = (base64.b64decode(part) for part in names.split("|")[2:4])
        except (ValueError, binascii.Error):
            return False
        return hmac.compare_digest(hmac.digest(salt, name.encode(), hashlib.sha1), digest)
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


def add(file: str, name: str, kind: str, key: str) -> None:
    """Append a host's key to a file, made private where it is new. Raises `BadInput`."""
    path = Path(file)
    with _adding:
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


def _entries(file: str) -> tuple[Entry, ...]:
    try:
        seen = Path(file).stat()
    except OSError:
        return ()
    return _parsed(file, seen.st_mtime_ns, seen.st_size)


@lru_cache(maxsize=32)
def _parsed(file: str, mtime: int, size: int) -> tuple[Entry, ...]:
    del mtime, size
    try:
        text = Path(file).read_text(errors="replace")
    except OSError:
        return ()
    found = []
    for line in text.splitlines():
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        if len(fields) >= 3:
            found.append(Entry(marker, fields[0], fields[1], fields[2]))
    return tuple(found)
