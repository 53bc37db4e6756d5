"""Checks of PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from checks.fact import Unavailable
from checks.facts.database import Refused
from checks.facts.dburl import address_of
from checks.facts.postgres import PostgresHealth, PostgresHistory, Server, Settings, Waiting
from checks.facts.system import Memory, MemoryUse
from checks.forecast import Point, trend
from checks.library.db import Tls
from checks.model import Message, Scalar, Severity, Status, Verdict
from checks.registry import check
from checks.units import Percent, Size, Span, size_text, span_text
from checks.verdicts import error, grade, msg, passed, skip, warn

XIDS: Final = 2**31
"""Transactions that a database can be behind."""

LAST_XIDS: Final = 3_000_000
"""So many before that it takes no writing statement any more (PostgreSQL manual, routine vacuuming)."""

HERE: Final = ("localhost", "127.0.0.1", "::1")
_BUFFERS_SHARE: Final = 0.4

_Past = dict[str, tuple[Point, ...]]


@check(
    "pg.health",
    severity=Severity.P1,
    about="url",
    owner="dba",
    server=PostgresHealth("{url}", "{password}", "{tls}", "{ca}", "{timeout}"),
    history=PostgresHistory("{url}", "{password}", "{tls}", "{ca}", "{timeout}"),
    memory=Memory(),
)
def postgres_health(
    server: Server,
    history: dict[str, tuple[Point, ...]] | Unavailable,
    memory: MemoryUse | Unavailable,
    now: datetime,
    url: str,
    password: str = "",
    xid_warn: int = 1_300_000_000,
    xid_fail: int = 1_400_000_000,
    sequence_warn: Percent = 85,
    sequence_fail: Percent = 95,
    within: Span = 90 * 86400,
    wait_warn: Span = 60,
    wait_fail: Span = 120,
    prepared_warn: Span = 1,
    prepared_fail: Span = 30,
    ram: Size = 0,
    tls: Tls = "auto",
    ca: str = "",
    timeout: Span = 5,
) -> list[Verdict]:
    """PostgreSQL does not run out of anything, nobody waits for a lock, and memory fits the machine.

    There is a result for each of these, about the worst that there is:

    - transaction ids: the age of the oldest one of each database, and of its multixacts;
    - sequences: how far each has come, to its own end or that of the column it fills (a bigint sequence in an
      integer column ends at 2147483647);
    - locks: how long the longest waits for one;
    - prepared transactions: how old the oldest is; each holds back the vacuum and its locks;
    - memory: shared_buffers at most 40 % of the memory, and what all connections may take fits in. Judged
      where the server is on the target itself, or `ram` is given.

    Where five earlier runs or more of this agent tell how fast ids and sequences are used up, an end within
    `within` is a warning however much is left.

    Remedy: transaction ids: find what holds back the vacuum (old transactions, prepared transactions,
    replication slots), end it, then `VACUUM (FREEZE, VERBOSE)` in that database. Sequences: make the column
    and the sequence bigint, in a maintenance window. Locks: `SELECT pid, pg_blocking_pids(pid), query FROM
    pg_stat_activity WHERE wait_event_type = 'Lock';` and talk to who blocks. Prepared transactions: `ROLLBACK
    PREPARED '<gid>'` once its transaction manager has forgotten it. Memory: lower shared_buffers, work_mem or
    max_connections and restart.
    Source: check_postgres: txn_wraparound (1.3 and 1.4 billion), sequence (85 and 95 %), prepared_txns (1 and
    30 s); PostgreSQL manual, resource consumption: more than 40 % of the memory as shared_buffers is unlikely
    to help. 1 and 2 min for locks and 90 d are our judgement.
    """
    past = {} if isinstance(history, Unavailable) else history
    at = now.timestamp()
    prepared = (prepared_warn, prepared_fail)
    return [
        _xids(server, past, at, (xid_warn, xid_fail), within),
        _sequences(server, past, at, (sequence_warn, sequence_fail), within),
        _waiting(
            server.waits,
            "locks",
            "a session waits for a lock since {age} ({count} in all)",
            (wait_warn, wait_fail),
        ),
        _waiting(
            server.prepared,
            "prepared transactions",
            "a transaction is prepared since {age} ({count} in all)",
            prepared,
        ),
        _memory(server.settings, memory, url, ram),
    ]


class _Used(msgspec.Struct, frozen=True):
    """Something that runs out: how far it has come, in the unit it is judged in, and what is said of it."""

    name: str
    value: float
    left: float | None
    say: Message
    evidence: dict[str, Scalar]


def _xids(server: Server, past: _Past, now: float, bounds: tuple[float, float], within: float) -> Verdict:
    if isinstance(server.xids, Refused):
        return _unread(server.xids, "transaction ids")
    if not server.xids:
        return error("no database was told of", object="transaction ids", cause="parse")
    used = []
    for each in server.xids:
        age = max(each.age, each.multixact_age)
        left = _time_left(past.get(f"xid {each.database}", ()), now, each.age, XIDS - LAST_XIDS, XIDS)
        say = msg("{name} is {age} million transactions behind", name=each.database, age=round(age / 1e6))
        evidence: dict[str, Scalar] = {"age": each.age, "multixact_age": each.multixact_age}
        used.append(_Used(each.database, age, left, say, evidence))
    return _worst(used, "transaction ids", bounds, within)


def _sequences(
    server: Server, past: _Past, now: float, bounds: tuple[float, float], within: float
) -> Verdict:
    if isinstance(server.sequences, Refused):
        return _unread(server.sequences, "sequences")
    used = []
    hidden = [each.name for each in server.sequences if each.used is None]
    for each in server.sequences:
        if each.used is None:
            continue
        left = _time_left(past.get(f"seq {each.name}", ()), now, each.used, each.possible, each.possible)
        percent = round(each.percent, 1)
        say = msg("{name} has come {percent} % of its way", name=each.name, percent=percent)
        evidence: dict[str, Scalar] = {"used": each.used, "possible": each.possible, "column": each.column}
        used.append(_Used(each.name, each.percent, left, say, evidence))
    verdict = _worst(used, "sequences", bounds, within)
    if not hidden or verdict.status is Status.FAIL:
        return verdict
    names = ", ".join(hidden[:5]) + (", …" if len(hidden) > 5 else "")
    say = msg(
        "{count} sequences cannot be seen ({names}); needs: GRANT SELECT on each of them",
        count=len(hidden),
        names=names,
    )
    return error(say, object="sequences", cause="denied")


def _worst(used: list[_Used], object: str, bounds: tuple[float, float], within: float) -> Verdict:
    """One result for all: a fail comes first, then what ends soon, then what has come furthest."""
    if not used:
        return passed("there is none that could end", object=object)
    worst = max(used, key=lambda each: each.value)
    soon = min(
        (each for each in used if each.left is not None and each.left < within), key=_left, default=None
    )
    graded = grade(worst.value, high=bounds, say=worst.say, object=object, evidence=worst.evidence)
    if soon is None or graded.status is Status.FAIL:
        near = sum(each.value > bounds[0] for each in used)
        return msgspec.structs.replace(graded, evidence=graded.evidence | {"near": near})
    left = span_text(soon.left or 0.0)
    say = msg("at the rate of earlier runs {name} ends in {left}", name=soon.name, left=left)
    evidence = soon.evidence | {"seconds_left": round(soon.left or 0.0)}
    return warn(say, object=object, cause="soon", evidence=evidence)


def _left(used: _Used) -> float:
    return used.left or 0.0


def _time_left(past: tuple[Point, ...], now: float, level: float, end: float, whole: float) -> float | None:
    """Seconds until the end at the rate of earlier runs; None where that is not known, or is none."""
    points = [point for point in past if point.at < now]
    seen = trend([*points, Point(now, float(level))], now, float(whole))
    if seen is None or seen.slope <= 0:
        return None
    return max(0.0, (end - seen.level) / seen.slope)


def _waiting(seen: Waiting | Refused, object: str, what: str, bounds: tuple[float, float]) -> Verdict:
    if isinstance(seen, Refused):
        return _unread(seen, object)
    evidence: dict[str, Scalar] = {"count": seen.count, "oldest_s": seen.oldest_s}
    say = msg(what, age=span_text(seen.oldest_s), count=seen.count)
    if not seen.count:
        return passed("none", object=object, evidence=evidence)
    verdict = grade(seen.oldest_s, high=bounds, say=say, object=object, evidence=evidence)
    if seen.untold and verdict.status != "fail":
        said = msg("{count} wait, and since when is not told; needs: GRANT pg_monitor", count=seen.untold)
        return error(said, object=object, cause="denied", evidence=evidence)
    return verdict


def _memory(settings: Settings | Refused, memory: MemoryUse | Unavailable, url: str, ram: int) -> Verdict:
    object = "memory"
    if isinstance(settings, Refused):
        return _unread(settings, object)
    values = settings.values
    if not ram and address_of(url).host not in HERE:
        return skip("the server is elsewhere; give its memory with `ram`", object=object, cause="elsewhere")
    if not ram and isinstance(memory, Unavailable):
        return error(msg("{reason}", reason=memory.reason), object=object, cause=memory.cause)
    total = ram or (0 if isinstance(memory, Unavailable) else memory.total)
    missing = [
        name
        for name in ("shared_buffers", "work_mem", "maintenance_work_mem", "max_connections")
        if name not in values
    ]
    if missing or total <= 0:
        return error(
            msg("{names} could not be read", names=", ".join(missing) or "the memory"),
            object=object,
            cause="parse",
        )
    buffers = values["shared_buffers"]
    workers = values.get("autovacuum_max_workers", 3)
    most = buffers + values["work_mem"] * values["max_connections"] + values["maintenance_work_mem"] * workers
    evidence: dict[str, Scalar] = {"ram": total, "shared_buffers": buffers, "most": most}
    if buffers > _BUFFERS_SHARE * total:
        say = msg(
            "shared_buffers is {buffers} of {ram}; more than 40 % hardly helps",
            buffers=size_text(buffers),
            ram=size_text(total),
        )
        return warn(say, object=object, cause="buffers", evidence=evidence)
    if most > total:
        say = msg(
            "all connections together may take {most}, the machine has {ram}",
            most=size_text(most),
            ram=size_text(total),
        )
        return warn(say, object=object, cause="overcommitted", evidence=evidence)
    say = msg(
        "shared_buffers is {buffers}, at most {most} of {ram} in all",
        buffers=size_text(buffers),
        most=size_text(most),
        ram=size_text(total),
    )
    return passed(say, object=object, evidence=evidence)


def _unread(why: Refused, object: str) -> Verdict:
    return error(msg("it could not be read: {reason}", reason=why.reason), object=object, cause=why.cause)
