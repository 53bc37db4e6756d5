"""Serving the application from this process: the listening socket, uvicorn, and the lock on an SQLite store.

SQLite's promises hold for one server process; a second one on the same file is told who the first is.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from checks.errors import BadInput
from server.db import Database
from server.errors import Refused
from server.settings import Settings

if TYPE_CHECKING:
    from uvicorn import Config

DRAIN_S = 10
"""How long requests under way may take once the process was told to stop."""


@contextmanager
def only_process(db: Database) -> Iterator[None]:
    """Hold the lock of an SQLite store; raises `Refused` naming the process that has it.

    The kernel lets go of it however the process ends, so a stale file locks nobody out.
    """
    name = db.engine.url.database if db.is_sqlite else None
    if not name or name == ":memory:":
        yield
        return
    try:
        import fcntl
    except ImportError as error:
        raise BadInput("an SQLite store is served on POSIX systems only; use PostgreSQL here") from error
    path = Path(f"{Path(name).resolve()}.pid")
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read(100).strip() or "unknown"
            raise Refused(
                f"{name} is already served by process {holder}; stop it first, or use PostgreSQL for several"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


@contextmanager
def listen(settings: Settings) -> Iterator[socket.socket]:
    """The listening socket; raises `BadInput` where the address is taken or not this machine's."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=512)
    except OSError as error:
        raise BadInput(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}") from error
    with listener:
        yield listener


def serve(app: Any, listener: socket.socket) -> None:
    """Answer requests until SIGINT or SIGTERM, then finish those under way."""
    from uvicorn import Server

    # uvicorn raises the signal again once it has finished; it then ends this function, not the process,
    # so that whoever called lets go of the store in order.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        Server(_config(app)).run(sockets=[listener])
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _config(app: Any) -> Config:
    from uvicorn import Config

    fast = os.name == "posix"
    return Config(
        app,
        loop="uvloop" if fast else "auto",
        http="httptools",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        # X-Forwarded-For is read where it is needed and only if the settings trust it.
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_S,
    )
