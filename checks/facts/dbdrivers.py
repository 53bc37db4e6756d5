"""How each product is dialled, logged in to, held to reading and bounded by its own server.

What is said then is `checks.facts.dbtalk`'s business, and the same for all.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any, Final

from checks.fact import NotReadable
from checks.facts.database import AskDatabase
from checks.facts.deadline import Deadline
from checks.secret import Secret

if TYPE_CHECKING:
    import ssl

    from checks.facts.dial import Dialer

NAME: Final = "firstlight"
GRACE_S: Final = 1.0
"""How much longer than the server's own limit is waited for it."""


class Session:
    """A connection that was opened, and what holds it to its bounds.

    `limits` are statements to run at the beginning of every transaction; `streams` has rows fetched as they
    are wanted, `encrypted` is whether TLS carries it.
    """

    def __init__(
        self,
        dialect: str,
        link: Any,
        limits: tuple[str, ...],
        encrypted: bool | None,
        streams: bool = False,
    ) -> None:
        self.dialect, self.link, self.limits = dialect, link, limits
        self.encrypted, self.streams = encrypted, streams


def load(product: str) -> None:
    """Import what speaks to a product, before anything is timed. Raises `NotReadable` (unsupported)."""
    from importlib import import_module

    driver, extra = _DRIVERS[product]
    try:
        for name in ("sqlalchemy", driver):
            import_module(name)
    except ImportError as problem:
        from checks.extras import remedy

        raise NotReadable(f"needs: {remedy(extra)}", "unsupported") from problem


def _postgresql(
    ask: AskDatabase, secret: Secret, dialer: Dialer, deadline: Deadline, stack: ExitStack
) -> Session:
    import psycopg

    at = ask.address
    host, port = stack.enter_context(dialer.address(at.host, at.port, ask.timeout))
    # The name that a certificate has to show stays the real one, wherever it is dialled.
    place: dict[str, Any] = {"host": at.host, "port": port}
    if host != at.host:
        place["hostaddr"] = host
    modes = {"auto": "prefer", "require": "require", "verify": "verify-full", "off": "disable"}
    if ask.tls == "verify":
        place["sslrootcert"] = ask.ca or _system_certificates()
    link: Any = psycopg.connect(
        dbname=at.database or "postgres",
        user=at.user or None,
        password=secret.reveal() or None,
        sslmode=modes[ask.tls],
        gssencmode="disable",
        connect_timeout=max(2, math.ceil(ask.timeout)),
        application_name=NAME,
        client_encoding="UTF8",
        prepare_threshold=None,
        **place,
    )
    stack.callback(link.close)
    watch(link, "postgresql", deadline)
    link.read_only = True

    class Cursor(psycopg.ServerCursor[Any]):
        def __del__(self, *_: Any) -> None:
            """Without a warning for one that could not be closed, because its server is gone."""

    link.server_cursor_factory = Cursor
    wait = f"{int(ask.timeout * 1000)}ms"
    limits = tuple(f"SET LOCAL {name} = '{wait}'" for name in ("statement_timeout", "lock_timeout"))
    return Session("postgresql+psycopg", link, limits, bool(link.pgconn.ssl_in_use), streams=True)


def _mysql(ask: AskDatabase, secret: Secret, dialer: Dialer, deadline: Deadline, stack: ExitStack) -> Session:
    import pymysql

    at = ask.address
    link: Any = pymysql.connect(
        host=at.host,
        port=at.port,
        user=at.user or None,
        # As the server counts it; the driver itself would encode a text in Latin-1.
        password=secret.reveal().encode(),
        database=at.database or None,
        charset="utf8mb4",
        connect_timeout=ask.timeout,
        read_timeout=ask.timeout + GRACE_S,
        write_timeout=ask.timeout + GRACE_S,
        program_name=NAME,
        local_infile=False,
        defer_connect=True,
        ssl=_tls(ask) if ask.tls in ("require", "verify") else None,
        ssl_disabled=ask.tls == "off" or None,
    )
    wire = deadline.watch(dialer.connect(at.host, at.port, ask.timeout))
    stack.callback(wire.close)
    link.connect(wire)
    stack.callback(_quietly(link._force_close))
    mariadb = "mariadb" in str(link.get_server_info()).lower()
    seconds = ask.timeout
    limits = (
        f"SET SESSION max_statement_time = {seconds:g}"
        if mariadb
        else f"SET SESSION max_execution_time = {int(seconds * 1000)}",
        "SET SESSION time_zone = '+00:00'",
        f"SET SESSION lock_wait_timeout = {max(1, int(seconds))}",
        f"SET SESSION sql_select_limit = {ask.row_cap + 1}",
        "START TRANSACTION READ ONLY",
    )
    return Session("mysql+pymysql", link, limits, _is_tls(link._sock))


def _mssql(ask: AskDatabase, secret: Secret, dialer: Dialer, deadline: Deadline, stack: ExitStack) -> Session:
    """Not run against a real server here."""
    import logging

    import pytds

    # It warns of each second that something took longer than it should; the result tells.
    logging.getLogger("pytds").addHandler(logging.NullHandler())
    at = ask.address
    wire = deadline.watch(dialer.connect(at.host, at.port, ask.timeout))
    stack.callback(wire.close)
    ca = {} if ask.tls in ("auto", "off") else {"cafile": ask.ca or _system_certificates()}
    link: Any = pytds.connect(
        dsn=at.host,
        port=at.port,
        database=at.database or "master",
        user=at.user,
        password=secret.reveal(),
        timeout=ask.timeout,
        login_timeout=ask.timeout,
        appname=NAME,
        readonly=True,
        sock=wire,
        validate_host=ask.tls == "verify",
        disable_connect_retry=True,
        **ca,
    )
    limits = (f"SET LOCK_TIMEOUT {int(ask.timeout * 1000)}", f"SET ROWCOUNT {ask.row_cap + 1}")
    return Session("mssql+pytds", link, limits, bool(ca))


def _oracle(
    ask: AskDatabase, secret: Secret, dialer: Dialer, deadline: Deadline, stack: ExitStack
) -> Session:
    """Not run against a real server here."""
    import oracledb

    from checks.facts.bridge import bridged

    at = ask.address
    if ask.tls == "verify":
        raise NotReadable(
            "the name in Oracle's certificate cannot be verified here; use `require`", "unsupported"
        )
    # It waits without an end for a server that says nothing, and tells of no socket that could be closed.
    far = deadline.watch(dialer.connect(at.host, at.port, ask.timeout))
    host, port = stack.enter_context(bridged(far, ask.timeout))
    link: Any = oracledb.connect(
        user=at.user,
        password=secret.reveal(),
        host=host,
        port=port,
        service_name=at.database,
        protocol="tcps" if ask.tls == "require" else "tcp",
        ssl_server_dn_match=False,
        tcp_connect_timeout=ask.timeout,
        retry_count=0,
    )
    link.call_timeout = int(ask.timeout * 1000)
    return Session("oracle+oracledb", link, ("SET TRANSACTION READ ONLY",), ask.tls == "require")


OPENERS: Final[dict[str, Callable[[AskDatabase, Secret, Any, Deadline, ExitStack], Session]]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mssql": _mssql,
    "oracle": _oracle,
}
_DRIVERS: Final = {
    "postgresql": ("psycopg", "db"),
    "mysql": ("pymysql", "db"),
    "mssql": ("sqlalchemy_pytds", "mssql"),
    "oracle": ("oracledb", "oracle"),
}
"""The module that speaks to each product, and the extra that brings it."""


def watch(link: Any, product: str, deadline: Deadline) -> None:
    """Have the deadline end the connection, where the driver tells which socket it is on."""
    number = {"postgresql": lambda: link.fileno(), "mysql": lambda: link._sock.fileno()}.get(product)
    if number is not None:
        with closing(socket.socket(fileno=os.dup(number()))) as twin:
            deadline.watch(twin)


def _tls(ask: AskDatabase) -> ssl.SSLContext:
    from checks.facts.tlscontext import context, open_context

    return context(ask.ca) if ask.tls == "verify" else open_context()


def _system_certificates() -> str:
    import ssl

    from checks.facts.tlscontext import elsewhere_trusted

    return ssl.get_default_verify_paths().cafile or elsewhere_trusted() or "system"


def _is_tls(wire: object) -> bool:
    import ssl

    return isinstance(wire, ssl.SSLSocket)


def _quietly(act: Callable[[], None]) -> Callable[[], None]:
    def acted() -> None:
        with suppress(Exception):
            act()

    return acted
