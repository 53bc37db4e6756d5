"""One deadline for a whole conversation: a socket's own timeout begins anew with every byte."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from time import monotonic
from types import TracebackType


class Deadline:
    """Ends every connection it watches once `seconds` are over; `passed` then says that it was so.

    What waits on such a connection sees its end and raises. To be used as a context manager.
    """

    def __init__(self, seconds: float) -> None:
        self._ends = monotonic() + seconds
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._links: list[socket.socket] = []
        self._over = False
        self.seconds = seconds
        self.passed = False

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
            for link in self._links:
                link.close()

    @property
    def left(self) -> float:
        """Seconds that are left, never none at all: a socket takes 0 for not to wait."""
        return max(0.05, self._ends - monotonic())

    def watch(self, link: socket.socket) -> socket.socket:
        """The connection itself. What is kept is a second handle of it, because TLS takes the first away."""
        twin = link.dup()
        with self._lock:
            self._links.append(twin)
            if self.passed:
                _shut(twin)
        return link

    def _end(self) -> None:
        with self._lock:
            if not self._over:
                self.passed = True
                for link in self._links:
                    _shut(link)


def _shut(link: socket.socket) -> None:
    with suppress(OSError):  # it has ended by itself
        link.shutdown(socket.SHUT_RDWR)
