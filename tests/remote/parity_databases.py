"""Databases, caches and queues: refused, and what is none, here and from a target's side.

With real servers the two sides are held against each other by `test_database_tunnel`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from checks.fact import Fact
from checks.facts.auditlog import LogKeys
from checks.facts.dbbackup import DatabaseBackup
from checks.facts.dbclock import DatabaseClock
from checks.facts.dbfacts import (
    DatabaseConnections,
    DatabaseEncoding,
    DatabaseLogin,
    DatabaseRights,
    Login,
    QueryRows,
)
from checks.facts.effective import PostgresEffective, UnitEffective
from checks.facts.mysql import MysqlHealth
from checks.facts.postgres import PostgresHealth, PostgresHistory
from checks.facts.rabbitmq import RabbitHealth
from checks.facts.redis import RedisHealth


def samples(world: Any) -> dict[str, Fact]:
    folder, closed = world.folder, world.closed_port
    at = f"postgresql://app@127.0.0.1:{closed}/erp"
    my = f"mariadb://app@127.0.0.1:{closed}/erp"
    return {
        "DatabaseLogin refused": DatabaseLogin(at),
        "DatabaseLogin of MariaDB refused": DatabaseLogin(my),
        "DatabaseLogin of nobody": DatabaseLogin("postgresql://app@no-such-host.invalid/erp"),
        "DatabaseLogin without its secret": DatabaseLogin(at, "env:FL_NO_SUCH_SECRET"),
        "DatabaseEncoding refused": DatabaseEncoding(at),
        "DatabaseRights refused": DatabaseRights(my, user="app"),
        "DatabaseConnections refused": DatabaseConnections(my),
        "QueryRows refused": QueryRows(at, query="SELECT 1"),
        "DatabaseBackup refused": DatabaseBackup(at),
        "DatabaseBackup without a catalogue": DatabaseBackup(my),
        "DatabaseClock refused": DatabaseClock(at),
        "PostgresHealth refused": PostgresHealth(at),
        "PostgresHealth of another product": PostgresHealth(my),
        "PostgresHistory": PostgresHistory(at),
        "PostgresEffective refused": PostgresEffective(at),
        "MysqlHealth refused": MysqlHealth(my),
        "RedisHealth refused": RedisHealth("127.0.0.1", closed),
        "RabbitHealth refused": RabbitHealth(f"http://127.0.0.1:{closed}", "mon", "env:PATH"),
        "UnitEffective": UnitEffective("systemd-journald.service"),
        "UnitEffective of nothing": UnitEffective("fl-no-such.service"),
        "LogKeys": LogKeys(f"{folder}/audit.log", r"payment=(\w+)"),
        "LogKeys of nothing": LogKeys(f"{folder}/nowhere", r"payment=(\w+)"),
        "LogKeys of what may not be read": LogKeys(f"{folder}/secret", r"(\w+)"),
    }


def make(folder: Path, stack: contextlib.ExitStack) -> None:
    del stack
    (folder / "audit.log").write_text("1 payment=a1 ok\n2 payment=b2 payment=c3\n3 nothing\n4 payment=a1\n")


STANDING: Final[dict[type, Callable[[Any], object]]] = {Login: lambda seen: seen.outcome}
