"""A conversation with a database, the same for all products: SQLAlchemy speaks, everything is bounded.

Everything is bounded twice: by the server, which is told how long a statement may take and how many rows are
wanted, and by a deadline here for a server that does not answer any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from checks.fact import NotReadable
from checks.facts.database import AskDatabase, Refused, Rows, Talked, plain
from checks.facts.dbdrivers import GRACE_S, OPENERS, Session, load, watch
from checks.facts.dberrors import told
from checks.facts.deadline import Deadline
from checks.facts.dial import NotConnected
from checks.facts.named_secret import secret_if_named
from checks.secret import Secret

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from checks.facts.dial import Dialer


def converse(ask: AskDatabase, dialer: Dialer) -> Talked:
    """One connection, all statements, and everything closed. Raises `NotReadable` where it cannot be had."""
    secret = secret_if_named(ask.password)
    product = ask.address.product
    load(product)
    began = monotonic()
    with ExitStack() as stack:
        with Deadline(ask.timeout + GRACE_S) as deadline:
            try:
                session = OPENERS[product](ask, secret, dialer, deadline, stack)
            except Exception as problem:  # noqa: BLE001 - drivers raise what they like
                raise _no_session(problem, ask, secret, dialer, deadline) from None
        login_ms = round((monotonic() - began) * 1000, 3)
        # The login has had its time; the statements have theirs.
        with Deadline(ask.timeout + GRACE_S) as deadline:
            watch(session.link, product, deadline)
            results, moments = _run_all(session, ask, secret, deadline)
    return Talked(results, login_ms, session.encrypted, moments)


def _no_session(
    problem: BaseException, ask: AskDatabase, secret: Secret, dialer: Dialer, deadline: Deadline
) -> NotReadable:
    """Why there is no session, told by what a plain connect says where the driver's words do not."""
    if isinstance(problem, NotReadable):
        return problem
    host, port = ask.address.host, ask.address.port
    why = told(problem, ask, secret)
    if deadline.passed or (why.cause == "timeout"):
        return NotReadable(f"{host}:{port}: no login within {ask.timeout:g} s", "timeout")
    if why.cause == "failed":
        try:
            dialer.connect(host, port, max(0.5, min(ask.timeout, 2.0))).close()
        except NotConnected as unconnected:
            return unconnected
        except NotReadable:
            pass
    # Not "denied", which is what an SSH server says that forwards nothing.
    return NotReadable(why.reason, "closed" if why.cause == "denied" else why.cause)


def _run_all(
    session: Session, ask: AskDatabase, secret: Secret, deadline: Deadline
) -> tuple[tuple[Rows | Refused, ...], tuple[tuple[float, float], ...]]:
    import sqlalchemy as sa

    # Not initialised: the dialect would ask the server things of its own that no plan names.
    engine = sa.create_engine(
        f"{session.dialect}://", creator=lambda: session.link, poolclass=sa.pool.NullPool, _initialize=False
    )
    found: list[Rows | Refused] = []
    moments: list[tuple[float, float]] = []
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        connection = stack.enter_context(_connection(engine, deadline))
        prepared = False
        for statement in ask.statements:
            try:
                if not prepared:
                    for limit in session.limits:
                        connection.exec_driver_sql(limit)
                    prepared = True
                began, asked = time(), monotonic()
                found.append(_rows(connection, statement, ask.row_cap, session.streams))
                half = (monotonic() - asked) / 2
                moments.append((began + half, half))
            except sa.exc.DBAPIError as problem:
                prepared = False
                why = told(problem.orig or problem, ask, secret)
                if deadline.passed:
                    why = Refused(f"no answer within {ask.timeout:g} s", "timeout")
                found.append(why)
                moments.append((0.0, 0.0))
                if deadline.passed or problem.connection_invalidated or why.cause == "lost":
                    found += [why] * (len(ask.statements) - len(found))
                    break
                with suppress(sa.exc.SQLAlchemyError):
                    connection.rollback()
    return tuple(found), tuple(moments)


@contextmanager
def _connection(engine: Any, deadline: Deadline) -> Iterator[Connection]:
    """A connection that is rolled back and closed, even where its server is gone."""
    import sqlalchemy as sa

    connection = engine.connect().execution_options(no_parameters=True)
    try:
        yield connection
    finally:
        with suppress(sa.exc.SQLAlchemyError, OSError):
            if deadline.passed:
                connection.invalidate()
            connection.close()


def _rows(connection: Connection, statement: str, cap: int, streams: bool) -> Rows:
    result = connection.exec_driver_sql(statement, execution_options={"stream_results": streams})
    if not result.returns_rows:
        return Rows((), ())
    try:
        columns = tuple(str(name)[:200] for name in result.keys())  # noqa: SIM118 - no mapping
        rows = result.fetchmany(cap + 1)
    finally:
        result.close()
    return Rows(columns, tuple(tuple(map(plain, row)) for row in rows[:cap]), len(rows) > cap)
