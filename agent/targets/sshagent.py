"""The keys that a running ssh-agent holds, as many threads can share them."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from paramiko import PKey

ANSWER_S: Final = 5.0
"""Seconds that an agent has to name its keys: a forwarded one whose connection is dead never does."""


class SshAgent:
    """The agent at $SSH_AUTH_SOCK; one that is not there, or does not answer, holds nothing."""

    def __init__(self) -> None:
        self.keys: list[PKey] = []
        self._link: socket.socket | None = None
        path = os.environ.get("SSH_AUTH_SOCK")
        if not path or not hasattr(socket, "AF_UNIX"):
            return
        from paramiko import SSHException

        link = socket.socket(socket.AF_UNIX)
        link.settimeout(ANSWER_S)
        try:
            link.connect(path)
            self.keys = _keys(link)
        except (SSHException, OSError):
            link.close()
            return
        link.settimeout(None)  # whoever logs in has a deadline for all of that
        self._link = link

    def close(self) -> None:
        """End the connection to it; its keys sign nothing more."""
        if self._link is not None:
            self._link.close()


def _keys(link: socket.socket) -> list[PKey]:
    from paramiko.agent import AgentSSH

    class OneAtATime(AgentSSH):
        """A socket carries one question and its answer at a time, which paramiko leaves to its callers."""

        def __init__(self) -> None:
            super().__init__()
            self._asking = threading.Lock()
            self._connect(link)  # type: ignore[attr-defined]

        def _send_message(self, msg: Any) -> Any:
            with self._asking:
                return super()._send_message(msg)  # type: ignore[misc]

    return list(OneAtATime().get_keys())
