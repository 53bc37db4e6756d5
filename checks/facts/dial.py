"""TCP connections for conversations: opened from this machine, or from a target's side through its tunnel."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from checks.fact import NotReadable
from checks.facts.network import Connection, open_connection


class NotConnected(NotReadable):
    """No connection came about; `connection` says what did, and its outcome is the cause."""

    def __init__(self, host: str, port: int, connection: Connection) -> None:
        self.connection = connection
        said = connection.detail or connection.outcome
        super().__init__(f"{host}:{port}: {said}", connection.outcome)


class Dialer(Protocol):
    """Opens connections from one place. Both ways raise `NotConnected`, or `NotReadable` where it cannot
    try; `timeout` is in seconds."""

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """A connected socket with that timeout set; the caller closes it."""
        ...

    def address(self, host: str, port: int, timeout: float) -> AbstractContextManager[tuple[str, int]]:
        """Where a library that dials itself finds `host`:`port`: one connection can be made to it.

        The name to verify a certificate against is still `host`.
        """
        ...


class LocalDialer:
    """Dials from this machine."""

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        link, came_of = open_connection(host, port, timeout)
        if link is None:
            raise NotConnected(host, port, came_of)
        link.settimeout(timeout)
        return link

    @contextmanager
    def address(self, host: str, port: int, timeout: float) -> Iterator[tuple[str, int]]:
        """Its own address: whoever dials resolves it again, and says itself what came of it."""
        del timeout
        yield host, port
