"""How a MySQL or MariaDB server is: its buffer pool, binary logs, replication and SQL mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import NotReadable, fact
from checks.facts.database import Cell, Refused, Rows, Talked
from checks.facts.dbbase import OfDatabase

if TYPE_CHECKING:
    from checks.facts.host import Host

_SETTINGS: Final = (
    "SHOW GLOBAL VARIABLES WHERE variable_name IN ('version', 'innodb_buffer_pool_size', 'log_bin', "
    "'binlog_expire_logs_seconds', 'expire_logs_days', 'sql_mode', 'read_only')"
)
_COUNTERS: Final = (
    "SHOW GLOBAL STATUS WHERE variable_name IN ('Innodb_buffer_pool_read_requests', "
    "'Innodb_buffer_pool_reads', 'Uptime')"
)
# The first is MySQL from 8.0.22 and MariaDB from 10.5; the second all before.
_REPLICA: Final = ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS")
_LOGS: Final = "SHOW BINARY LOGS"
STATEMENTS: Final = (_SETTINGS, _COUNTERS, *_REPLICA, _LOGS)


class Pool(msgspec.Struct, frozen=True):
    """The buffer pool of InnoDB: `size` in bytes, and of `requests` reads since the start `misses` that went
    to the disk; `uptime_s` in seconds."""

    size: int
    requests: int = 0
    misses: int = 0
    uptime_s: int = 0

    @property
    def hit_percent(self) -> float:
        return 100.0 * (1 - self.misses / self.requests) if self.requests else 100.0


class BinaryLogs(msgspec.Struct, frozen=True):
    """Whether there are binary logs, after how many seconds they expire (0: never), and bytes of all; None
    where the login may not see them."""

    on: bool
    expire_s: int = 0
    size: int | None = None
    unread: str = ""


class Replica(msgspec.Struct, frozen=True):
    """A channel that replicates: `lag_s` seconds behind, None where the server does not know."""

    channel: str
    receives: bool
    applies: bool
    lag_s: int | None = None
    problem: str = ""


class MyServer(msgspec.Struct, frozen=True):
    """What `MysqlHealth` reads; `replicas` is the reason where they could not be read."""

    version: str
    pool: Pool
    logs: BinaryLogs
    sql_mode: tuple[str, ...]
    replicas: tuple[Replica, ...] | Refused = ()


@fact
class MysqlHealth(OfDatabase, frozen=True):
    """What `my.health` judges, read in one transaction."""

    value_type: ClassVar[type] = MyServer
    what: ClassVar[str] = "for its settings, counters, replicas and binary logs"

    def statements(self) -> tuple[str, ...]:
        if self.product != "mysql":
            raise NotReadable(f"{self.product} is not MySQL", "unsupported")
        return STATEMENTS

    def needed(self) -> tuple[str, ...]:
        # What MySQL gives with one right are two in MariaDB since 10.5.9.
        rights = "BINLOG MONITOR, SLAVE MONITOR" if self.url.startswith("mariadb") else "REPLICATION CLIENT"
        return (f"GRANT {rights} ON *.* TO '{self.login}'@'%';",)

    def read(self, host: Host) -> MyServer:
        said = self.talk(host)
        if all(isinstance(each, Refused) for each in said.results):
            said.rows()
        return read_server(said)

    @classmethod
    def settled(cls, value: MyServer) -> dict[str, Any]:
        """Version, settings and whether it replicates; counters, sizes and lag never stand still."""
        replicas = value.replicas
        return {
            "version": value.version,
            "pool": value.pool.size,
            "logs": value.logs.on,
            "expire_s": value.logs.expire_s,
            "sql_mode": sorted(value.sql_mode),
            "replicas": replicas.cause
            if isinstance(replicas, Refused)
            else [[each.channel, each.receives, each.applies] for each in replicas],
        }


def read_server(said: Talked) -> MyServer:
    """The answers in their own form. Raises `NotReadable` where settings or counters are missing."""
    settings, counters = _pairs(said.rows(0)), _pairs(said.rows(1))
    expire = _whole(settings.get("binlog_expire_logs_seconds")) or 86400 * _whole(
        settings.get("expire_logs_days")
    )
    modern, old, logs = said.results[2:5]
    replica = modern if isinstance(modern, Rows) or not isinstance(old, Rows) else old
    if isinstance(replica, Refused) and isinstance(old, Refused) and old.cause == "denied":
        replica = old
    on = settings.get("log_bin", "").upper() in ("ON", "1")
    if isinstance(logs, Rows):
        size, unread = sum(_whole(row[1]) for row in logs.rows if len(row) > 1), ""
        told = BinaryLogs(on, expire, size)
    else:
        unread = logs.reason if on else ""
        told = BinaryLogs(on, expire, None, unread)
    return MyServer(
        settings.get("version", ""),
        Pool(
            _whole(settings.get("innodb_buffer_pool_size")),
            _whole(counters.get("innodb_buffer_pool_read_requests")),
            _whole(counters.get("innodb_buffer_pool_reads")),
            _whole(counters.get("uptime")),
        ),
        told,
        tuple(word for word in settings.get("sql_mode", "").upper().split(",") if word),
        replica
        if isinstance(replica, Refused)
        else tuple(_replica(replica.columns, row) for row in replica.rows),
    )


def _pairs(rows: Rows) -> dict[str, str]:
    return {str(row[0]).lower(): str(row[1]) for row in rows.rows if len(row) == 2}


def _replica(columns: tuple[str, ...], row: tuple[Cell, ...]) -> Replica:
    """A row under the names that servers have had for its columns."""
    held = dict(zip((name.lower() for name in columns), row, strict=False))

    def first(*names: str) -> Cell:
        return next((held[name] for name in names if held.get(name) is not None), None)

    lag = first("seconds_behind_source", "seconds_behind_master")
    problem = first("last_error", "last_sql_error") or first("last_io_error") or ""
    return Replica(
        str(first("channel_name", "connection_name") or ""),
        str(first("replica_io_running", "slave_io_running")) == "Yes",
        str(first("replica_sql_running", "slave_sql_running")) == "Yes",
        None if lag is None else _whole(lag),
        str(problem)[:300],
    )


def _whole(value: Cell) -> int:
    try:
        return int(float(str(value or 0)))
    except (ValueError, OverflowError):
        return 0
