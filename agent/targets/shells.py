"""The shells of one target: one of the login's own and, if that is wanted, one of root; each opened once."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

from agent.targets.session import AS_ROOT, PLAIN, NoSession, Session

if TYPE_CHECKING:
    from paramiko import Transport

ROOM_S: Final = 5.0
"""How long a server may take to notice that a session has ended."""


class Shells:
    """Sessions by the command that they run. `connected` gives the connection, or raises `Unreachable`."""

    def __init__(self, connected: Callable[[], Transport]) -> None:
        self._connected = connected
        self._open: dict[str, Session] = {}

    def plain(self) -> Session:
        """A shell as whom the connection is logged in. Raises `Unreachable`."""
        return self._get(PLAIN)

    def root(self) -> Session:
        """A shell through sudo, which shows only when it is asked whether it is one. Raises `Unreachable`."""
        return self._get(AS_ROOT)

    def drop(self, session: Session) -> None:
        """Close one, so that the next is a new one."""
        session.close()
        self._open = {command: each for command, each in self._open.items() if each is not session}

    def close(self) -> None:
        for session in self._open.values():
            session.close()
        self._open.clear()

    def _get(self, command: str) -> Session:
        if command not in self._open:
            self._open[command] = self._new(command)
        return self._open[command]

    def _new(self, command: str) -> Session:
        """Where the server has room for no more than one (MaxSessions 1), the other gives way."""
        deadline = 0.0
        while True:
            try:
                return Session(self._connected(), command)
            except NoSession:
                if self._open:
                    self.close()
                    deadline = monotonic() + ROOM_S
                if monotonic() >= deadline:
                    raise
                sleep(0.02)
