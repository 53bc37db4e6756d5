"""How a PostgreSQL server is: what runs out (transaction ids, sequences), what waits, what it may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import NotReadable, fact
from checks.facts.asks import Ask, Recall
from checks.facts.database import Cell, Refused, Rows, Talked
from checks.facts.dbbase import OfDatabase, as_asked
from checks.forecast import Point, thinned

if TYPE_CHECKING:
    from checks.facts.host import Host

MOST: Final = 200
"""Sequences that are told of, the fullest first; as many databases."""

_XIDS: Final = (
    "SELECT datname, age(datfrozenxid)::bigint, mxid_age(datminmxid)::bigint FROM pg_database "
    "WHERE datallowconn ORDER BY greatest(age(datfrozenxid), mxid_age(datminmxid)) DESC, datname LIMIT 200"
)
# How far a sequence can go: to its own end, or to that of the column it fills, whichever comes first. One
# that begins anew by itself, or counts down, is left out. The last value is null before the first use.
_SEQUENCES: Final = """
SELECT name, used, possible, least, filled FROM (
  SELECT format('%s.%s', n.nspname, c.relname) AS name,
    CASE WHEN has_sequence_privilege(c.oid, 'SELECT, USAGE')
      THEN coalesce(pg_sequence_last_value(c.oid), s.seqstart) END AS used,
    least(s.seqmax, CASE t.typname WHEN 'int2' THEN 32767 WHEN 'int4' THEN 2147483647 ELSE s.seqmax END)
      AS possible,
    s.seqmin AS least, coalesce(t.typname::text, '') AS filled
  FROM pg_sequence s
  JOIN pg_class c ON c.oid = s.seqrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
  LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  LEFT JOIN pg_type t ON t.oid = a.atttypid
  WHERE c.relpersistence <> 't' AND NOT s.seqcycle AND s.seqincrement > 0
) q
ORDER BY used IS NULL DESC, (used - least)::numeric / greatest(possible - least, 1)::numeric DESC, name
LIMIT 200
"""
# pg_locks tells since when (PostgreSQL 14) to everybody; before, when the statement began is told to whoever
# may see it. A lock that waits of which neither is told has a null.
_WAITS: Final = """
SELECT count(*), count(*) FILTER (WHERE since IS NULL),
  coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0)::float8
FROM (
  SELECT l.pid, min(coalesce((to_jsonb(l) ->> 'waitstart')::timestamptz, a.query_start)) AS since
  FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE NOT l.granted AND l.pid <> pg_backend_pid() GROUP BY l.pid
) w
"""
_PREPARED: Final = (
    "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(prepared)), 0)::float8 "
    "FROM pg_prepared_xacts"
)
_SETTINGS: Final = (
    "SELECT name, setting, unit FROM pg_settings WHERE name IN ('shared_buffers', 'work_mem', "
    "'maintenance_work_mem', 'max_connections', 'autovacuum_max_workers', 'effective_cache_size')"
)
STATEMENTS: Final = (_XIDS, _SEQUENCES, _WAITS, _PREPARED, _SETTINGS)
_UNITS: Final = {"8kB": 8192, "kB": 1024, "MB": 1024**2, "B": 1, "": 1, "16kB": 16384, "32kB": 32768}


class XidAge(msgspec.Struct, frozen=True):
    """The age of a database's oldest transaction id and multixact id, in transactions."""

    database: str
    age: int
    multixact_age: int = 0


class Sequence(msgspec.Struct, frozen=True):
    """How far a sequence has come: from `least` to `possible`, the end of it or of the column that it fills.

    `used` is None where the login may not see it.
    """

    name: str
    used: int | None
    possible: int
    least: int = 1
    column: str = ""

    @property
    def percent(self) -> float:
        span = self.possible - self.least
        return 100.0 * ((self.used or 0) - self.least) / span if span > 0 else 100.0


class Waiting(msgspec.Struct, frozen=True, tag="waiting"):
    """Something that waits: how many, for how long the oldest (seconds), and of how many that is not told."""

    count: int
    oldest_s: float = 0.0
    untold: int = 0


class Settings(msgspec.Struct, frozen=True, tag="settings"):
    """Settings of memory and connections, by name: bytes, or plain numbers."""

    values: dict[str, int]


class Server(msgspec.Struct, frozen=True):
    """What `PostgresHealth` reads. A part that could not be read is the reason why."""

    xids: tuple[XidAge, ...] | Refused
    sequences: tuple[Sequence, ...] | Refused
    waits: Waiting | Refused
    prepared: Waiting | Refused
    settings: Settings | Refused


@fact
class PostgresHealth(OfDatabase, frozen=True):
    """What `pg.health` judges, read in one transaction."""

    value_type: ClassVar[type] = Server
    what: ClassVar[str] = "for transaction ids, sequences, locks, prepared transactions and settings"

    def statements(self) -> tuple[str, ...]:
        if self.product != "postgresql":
            raise NotReadable(f"{self.product} is not PostgreSQL", "unsupported")
        return STATEMENTS

    def needed(self) -> tuple[str, ...]:
        return (f'GRANT pg_monitor TO "{self.login}";',)

    def read(self, host: Host) -> Server:
        said = self.talk(host)
        if all(isinstance(each, Refused) for each in said.results):
            said.rows()
        return read_server(said)

    @classmethod
    def settled(cls, value: Server) -> dict[str, Any]:
        """Its settings: all else never stands still."""
        settings = value.settings
        return {"settings": settings.cause if isinstance(settings, Refused) else settings.values}

    @classmethod
    def series(cls, value: Server) -> dict[str, float]:
        """Ages and counters that a forecast is made of: of the ten oldest databases, the twenty fullest
        sequences."""
        found: dict[str, float] = {}
        if not isinstance(value.xids, Refused):
            found |= {f"xid {each.database}": float(each.age) for each in value.xids[:10]}
        if not isinstance(value.sequences, Refused):
            told = (each for each in value.sequences if each.used is not None)
            fullest = sorted(told, key=lambda each: -each.percent)[:20]
            found |= {f"seq {each.name}": float(each.used or 0) for each in fullest}
        return found


@fact
class PostgresHistory(OfDatabase, frozen=True):
    """What earlier runs recorded of `PostgresHealth`, by the name it has in its series."""

    value_type: ClassVar[Any] = dict[str, tuple[Point, ...]]

    def describe(self) -> str:
        return f"recall transaction ids and sequences of {self.url} in earlier runs"

    def _recorded(self) -> str:
        return PostgresHealth(self.url, self.password, self.tls, self.ca, self.timeout).id()

    def asks(self) -> tuple[Ask, ...]:
        return (Recall(self._recorded()),)

    def grants(self) -> tuple[str, ...]:
        return ()

    def read(self, host: Host) -> dict[str, tuple[Point, ...]]:
        points: dict[str, list[Point]] = {}
        for sample in host.recall(self._recorded()):
            for name, value in sample.values.items():
                points.setdefault(name, []).append(Point(sample.at.timestamp(), value))
        return {name: thinned(each) for name, each in points.items()}

    @classmethod
    def settled(cls, value: dict[str, tuple[Point, ...]]) -> dict[str, Any]:
        """Nothing: every run adds to it."""
        del value
        return {}


def read_server(said: Talked) -> Server:
    """The five answers in their own form. Raises `NotReadable` where one is of another."""
    with as_asked():
        return _server(said)


def _server(said: Talked) -> Server:
    xids, sequences, waits, prepared, settings = said.results
    return Server(
        xids if isinstance(xids, Refused) else tuple(map(_xid_age, xids.rows)),
        sequences if isinstance(sequences, Refused) else tuple(map(_sequence, sequences.rows)),
        waits if isinstance(waits, Refused) else _waits(waits),
        prepared if isinstance(prepared, Refused) else _prepared(prepared),
        settings if isinstance(settings, Refused) else _settings(settings),
    )


def _xid_age(row: tuple[Cell, ...]) -> XidAge:
    return XidAge(str(row[0]), _whole(row[1]), _whole(row[2]))


def _sequence(row: tuple[Cell, ...]) -> Sequence:
    name, used, possible, least, column = row
    return Sequence(
        str(name), None if used is None else _whole(used), _whole(possible), _whole(least), str(column)
    )


def _waits(rows: Rows) -> Waiting:
    count, untold, oldest = rows.rows[0]
    return Waiting(_whole(count), max(0.0, round(_real(oldest), 1)), _whole(untold))


def _prepared(rows: Rows) -> Waiting:
    count, oldest = rows.rows[0]
    return Waiting(_whole(count), max(0.0, round(_real(oldest), 1)))


def _settings(rows: Rows) -> Settings:
    units = ((str(name), value, _UNITS.get(str(unit or ""), 1)) for name, value, unit in rows.rows)
    return Settings({name: _whole(value) * factor for name, value, factor in units})


def _real(value: Cell) -> float:
    try:
        return float(str(value))
    except ValueError as error:
        raise NotReadable(f"{str(value)!r:.60} is no number", "parse") from error


def _whole(value: Cell) -> int:
    return value if isinstance(value, int) else int(_real(value))
