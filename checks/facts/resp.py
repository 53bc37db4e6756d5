"""The replies of Redis (RESP 2), read from a connection that may be anybody's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from checks.fact import NotReadable

if TYPE_CHECKING:
    import socket

REPLY_LIMIT: Final = 256 * 1024
DEPTH_LIMIT: Final = 4
ITEMS_LIMIT: Final = 1000

Reply = str | int | None | tuple["Reply", ...]


class RedisError(Exception):
    """The server's error reply, its first word a code."""

    @property
    def code(self) -> str:
        return str(self).split(" ", 1)[0]


class Replies:
    """The replies of a connection, one after the other. Raises `NotReadable` for what is none (parse), what
    is larger than anything that is asked for (too-large), and the end of the connection (lost)."""

    def __init__(self, link: socket.socket) -> None:
        self._link, self._held = link, b""

    def next(self, depth: int = 0) -> Reply:
        """The next reply; an error reply is raised as `RedisError`."""
        line = self._line()
        kind, rest = line[:1], line[1:].decode(errors="replace")
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RedisError(rest[:300])
        if kind not in (b":", b"$", b"*") or not re.fullmatch(r"-?[0-9]{1,19}", rest):
            raise NotReadable(f"this is not Redis: it says {line[:40]!r}", "parse")
        number = int(rest)
        if kind == b":":
            return number
        if number < 0:
            return None
        if kind == b"$":
            return self._exactly(number)
        if number > ITEMS_LIMIT or depth >= DEPTH_LIMIT:
            raise NotReadable("the server sends more than was asked for", "too-large")
        return tuple(self.next(depth + 1) for _ in range(number))

    def _line(self) -> bytes:
        while b"\r\n" not in self._held:
            if len(self._held) > REPLY_LIMIT:
                raise NotReadable("the server sends a line without an end", "too-large")
            self._more()
        line, _, self._held = self._held.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> str:
        if size > REPLY_LIMIT:
            raise NotReadable("the server sends more than was asked for", "too-large")
        while len(self._held) < size + 2:
            self._more()
        data, self._held = self._held[:size], self._held[size + 2 :]
        return data.decode(errors="replace")

    def _more(self) -> None:
        data = self._link.recv(64 * 1024)
        if not data:
            raise NotReadable("the server ended the connection", "lost")
        self._held += data
