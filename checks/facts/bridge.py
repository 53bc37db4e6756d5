"""A port of this machine that leads into one connection, for a library that dials itself and cannot be ended.

Whoever ends the connection ends the library's too: it sees its server go away.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

PIECE: Final = 32 * 1024


@contextmanager
def bridged(far: socket.socket, timeout: float) -> Iterator[tuple[str, int]]:
    """Where to dial: one connection is taken within `timeout` seconds and carried to `far`, which is closed
    at the end."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1)
    listener.settimeout(timeout)
    far.settimeout(None)
    near: list[socket.socket] = []

    def carry() -> None:
        try:
            link, _ = listener.accept()
        except OSError:
            return
        finally:
            listener.close()
        link.settimeout(None)
        near.append(link)
        back = threading.Thread(target=_pump, args=(far, link), name="bridge back", daemon=True)
        back.start()
        _pump(link, far)
        back.join()
        link.close()

    thread = threading.Thread(target=carry, name="bridge", daemon=True)
    thread.start()
    try:
        host, port = listener.getsockname()[:2]
        yield host, port
    finally:
        listener.close()
        for link in (far, *near):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        thread.join(timeout)
        far.close()


def _pump(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes until one side has ended, and tell the other."""
    with suppress(OSError):
        while data := one.recv(PIECE):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)
