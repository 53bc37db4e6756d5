"""Checks of MySQL and MariaDB."""

from __future__ import annotations

from typing import Final

from checks.fact import Unavailable
from checks.facts.database import Refused
from checks.facts.dburl import address_of
from checks.facts.mysql import BinaryLogs, MyServer, MysqlHealth, Pool, Replica
from checks.facts.system import Memory, MemoryUse
from checks.library.db import Tls
from checks.library.pg import HERE
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.units import Percent, Size, Span, size_text, span_text
from checks.verdicts import error, fail, msg, passed, skip, warn

_POOL_SHARE: Final = 0.9
_YOUNG_S: Final = 3600
"""Seconds after a start in which the buffer pool is still being filled, so that its hits say nothing."""


@check(
    "my.health",
    severity=Severity.P1,
    about="url",
    owner="dba",
    server=MysqlHealth("{url}", "{password}", "{tls}", "{ca}", "{timeout}"),
    memory=Memory(),
)
def mysql_health(
    server: MyServer,
    memory: MemoryUse | Unavailable,
    url: str,
    password: str = "",
    pool_at_least: Size = 0,
    hits_at_least: Percent = 0,
    binary_log: bool = False,
    log_size_at_most: Size = 0,
    sql_mode: tuple[str, ...] = (),
    replicates: bool = False,
    lag_warn: Span = 60,
    lag_fail: Span = 300,
    ram: Size = 0,
    tls: Tls = "auto",
    ca: str = "",
    timeout: Span = 5,
) -> list[Verdict]:
    """MySQL or MariaDB has a fitting buffer pool, logs, replicates and takes no wrong values.

    There is a result for each of these:

    - buffer pool: at least `pool_at_least`, `hits_at_least` of the reads answered from it (not in the first
      hour after a start), and at most 90 % of the memory where the server is on the target itself or `ram` is
      given;
    - binary logs: `binary_log: true` wants them, with an expiry; `log_size_at_most` bounds all of them;
    - replication: a replica that stopped fails; `replicates: true` wants one; the lag warns and fails;
    - SQL mode: holds every word of `sql_mode`, such as STRICT_TRANS_TABLES.

    What a profile sets no bound for passes and shows the value.

    Remedy: set `innodb_buffer_pool_size`, `log_bin`, `binlog_expire_logs_seconds` or `sql_mode` under
    [mysqld] and restart. Replication: `SHOW REPLICA STATUS\\G` tells the error; repair or rebuild the replica
    before starting it again.
    Source: our judgement; the profile that sets a bound names its source.
    """
    return [
        _pool(server.pool, memory, url, ram, pool_at_least, hits_at_least),
        _logs(server.logs, binary_log, log_size_at_most),
        _replication(server.replicas, replicates, lag_warn, lag_fail),
        _mode(server.sql_mode, sql_mode),
    ]


def _pool(
    pool: Pool, memory: MemoryUse | Unavailable, url: str, ram: int, least: int, hits: float
) -> Verdict:
    object = "buffer pool"
    evidence: dict[str, Scalar] = {"size": pool.size, "hit_percent": round(pool.hit_percent, 3)}
    if pool.size < least:
        say = msg("{size}, wanted: at least {least}", size=size_text(pool.size), least=size_text(least))
        return fail(say, object=object, cause="small", evidence=evidence)
    total = ram
    if not ram and address_of(url).host in HERE and isinstance(memory, MemoryUse):
        total = memory.total
    if total and pool.size > _POOL_SHARE * total:
        say = msg("{size} of {ram} of memory", size=size_text(pool.size), ram=size_text(total))
        return warn(say, object=object, cause="large", evidence=evidence)
    if hits and pool.uptime_s >= _YOUNG_S and pool.hit_percent < hits:
        say = msg("{percent} % of the reads are answered from it", percent=round(pool.hit_percent, 1))
        return warn(say, object=object, cause="misses", evidence=evidence)
    say = msg(
        "{size}, {percent} % of the reads", size=size_text(pool.size), percent=round(pool.hit_percent, 1)
    )
    return passed(say, object=object, evidence=evidence)


def _logs(logs: BinaryLogs, wanted: bool, most: int) -> Verdict:
    object = "binary logs"
    evidence: dict[str, Scalar] = {"on": logs.on, "expire_s": logs.expire_s}
    if not logs.on:
        if wanted:
            return fail(
                "there are none: what happened since a backup is lost",
                object=object,
                cause="off",
                evidence=evidence,
            )
        return passed("there are none", object=object, evidence=evidence)
    if wanted and not logs.expire_s:
        return warn("they never expire, and fill the disk", object=object, cause="kept", evidence=evidence)
    if logs.size is None:
        if most:
            return error(
                msg("{reason}", reason=logs.unread), object=object, cause="denied", evidence=evidence
            )
        return passed("there are some", object=object, evidence=evidence)
    evidence["size"] = logs.size
    if most and logs.size > most:
        say = msg("{size}, wanted: at most {most}", size=size_text(logs.size), most=size_text(most))
        return warn(say, object=object, cause="large", evidence=evidence)
    return passed(msg("{size} of them", size=size_text(logs.size)), object=object, evidence=evidence)


def _replication(replicas: tuple[Replica, ...] | Refused, wanted: bool, low: float, high: float) -> Verdict:
    object = "replication"
    if isinstance(replicas, Refused):
        return error(
            msg("it could not be read: {reason}", reason=replicas.reason), object=object, cause=replicas.cause
        )
    if not replicas:
        if wanted:
            return fail("it replicates nothing", object=object, cause="none")
        return skip("it replicates nothing", object=object, cause="none")
    stopped = [each for each in replicas if not (each.receives and each.applies)]
    lag = max((each.lag_s for each in replicas if each.lag_s is not None), default=None)
    evidence: dict[str, Scalar] = {"channels": len(replicas), "stopped": len(stopped)}
    if stopped:
        one = stopped[0]
        half = "applying" if one.receives else "receiving"
        say = msg("{half} stopped: {problem}", half=half, problem=one.problem or "no error is told")
        return fail(say, object=object, cause="stopped", evidence=evidence)
    if lag is None:
        return error("how far it is behind is not known", object=object, cause="unknown", evidence=evidence)
    evidence["lag_s"] = lag
    say = msg("{lag} behind", lag=span_text(lag))
    if lag > high:
        return fail(say, object=object, cause="lag", evidence=evidence)
    if lag > low:
        return warn(say, object=object, cause="lag", evidence=evidence)
    return passed(say, object=object, evidence=evidence)


def _mode(held: tuple[str, ...], wanted: tuple[str, ...]) -> Verdict:
    object = "sql mode"
    evidence: dict[str, Scalar] = {"sql_mode": ",".join(held)}
    missing = [word for word in wanted if word.upper() not in held]
    if missing:
        return fail(
            msg("{missing} is missing", missing=", ".join(missing)),
            object=object,
            cause="missing",
            evidence=evidence,
        )
    return passed(msg("{mode}", mode=", ".join(held) or "empty"), object=object, evidence=evidence)
