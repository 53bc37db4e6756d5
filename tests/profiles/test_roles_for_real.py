"""The role profiles on real servers: all is well with one that is set up well, and what is broken is told.

What belongs to the machine (kernel, limits, sizes) is no part of it: that a test can neither set nor know.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_servers import PASSWORD, Rabbit, Server, mariadb, postgresql, rabbitmq, redis
from nginx_site import site
from shipped import extending, run, told

from checks.model import Severity

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(autouse=True)
def named_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PG", "MY", "RMQ", "REDIS"):
        monkeypatch.setenv(f"FIRSTLIGHT_{name}_PASSWORD", PASSWORD)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A folder with a dump of this moment."""
    folder = tmp_path / "backup"
    folder.mkdir()
    (folder / "erp.dump").write_text("a dump\n")
    return folder


def age(backup: Path, hours: float) -> None:
    then = time.time() - hours * 3600
    os.utime(backup / "erp.dump", (then, then))


# PostgreSQL

PG = ("pg.running", "pg.port-free", "pg.connect", "pg.version", "pg.encoding", "pg.privilege",
      "pg.connections", "pg.health", "pg.effective", "pg.backup")  # fmt: skip


@pytest.fixture(scope="module")
def pg() -> Iterator[Server]:
    with postgresql() as server:
        server.administer(
            "GRANT SELECT ON pg_file_settings TO monitor; "
            "GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO monitor;",
            "erp",
        )
        yield server


def pg_profile(
    folder: Path, server: Server, backup: Path, user: str = "monitor", database: str = "erp"
) -> str:
    return extending(
        folder,
        "db-postgresql",
        variables={
            "pg_url": f"postgresql://{user}@127.0.0.1:{server.port}/{database}",
            "pg_port": server.port,
            "pg_user": "",  # other servers of this machine run as others
            "pg_backup": f"{backup}/*.dump",
        },
    )


def test_a_sound_postgresql_passes(pg: Server, tmp_path: Path, backup: Path) -> None:
    results = told(run(pg_profile(tmp_path, pg, backup), PG))
    assert set(results.values()) == {"pass"}, results
    assert {name.split()[0] for name in results} == {*PG}


def test_what_is_wrong_with_a_postgresql_is_told(pg: Server, tmp_path: Path, backup: Path) -> None:
    age(backup, 60)
    pg.administer("ALTER SYSTEM SET max_worker_processes = 9;")
    pg.administer("SELECT pg_reload_conf();")
    try:
        results = run(pg_profile(tmp_path, pg, backup, user="boss", database="latin"), PG)
    finally:
        pg.administer("ALTER SYSTEM RESET max_worker_processes;")
        pg.administer("SELECT pg_reload_conf();")
    wrong = {each.item: (str(each.status), each.cause) for each in results if each.status != "pass"}
    assert wrong == {
        "pg.encoding": ("fail", "encoding"),
        "pg.privilege": ("fail", "administrator"),
        "pg.effective": ("warn", "restart"),
        "pg.backup": ("fail", "high"),
    }


def test_the_industries_want_postgresql_over_tls(pg: Server, tmp_path: Path, backup: Path) -> None:
    """With the variables that finance and healthcare set, and without TLS at all."""
    path = Path(pg_profile(tmp_path, pg, backup))
    text = path.read_text(encoding="utf-8")
    for tls, expected in (("require", "pass"), ("off", "fail")):
        path.write_text(text + f"  pg_tls: {tls}\n  pg_encrypted: true\n", encoding="utf-8")
        assert told(run(str(path), ["pg.connect"])) == {"pg.connect": expected}


def test_without_its_password_each_result_names_what_is_missing(
    pg: Server, tmp_path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIRSTLIGHT_PG_PASSWORD")
    results = run(pg_profile(tmp_path, pg, backup), ["pg.connect", "pg.health", "pg.encoding"])
    assert {str(each.status) for each in results} == {"error"}
    assert all("FIRSTLIGHT_PG_PASSWORD is not set" in str(each.message) for each in results)


def test_where_there_is_no_postgresql_that_is_said(tmp_path: Path, backup: Path) -> None:
    from database_servers import free_port

    variables = {
        "pg_url": f"postgresql://monitor@127.0.0.1:{free_port()}/erp",
        "pg_process": "no-such-process",
        "pg_backup": f"{backup}/*.gz",
    }
    results = run(extending(tmp_path, "db-postgresql", variables=variables), ["pg.*"])
    wrong = {each.item: each.cause for each in results if each.status == "fail" and each.severity != "P3"}
    assert wrong["pg.running"] == "absent"
    assert wrong["pg.connect"] == "refused"
    assert wrong["pg.backup"] == "none"
    skipped = {each.item for each in results if each.status == "skip"}
    assert {"pg.open-files", "pg.log"} <= skipped


# MariaDB

MY = ("my.running", "my.port-free", "my.connect", "my.version", "my.encoding", "my.privilege",
      "my.connections", "my.health", "my.backup")  # fmt: skip


@pytest.fixture(scope="module")
def my() -> Iterator[Server]:
    with mariadb() as server:
        server.administer("GRANT SELECT ON erp.* TO 'monitor'@'%'; GRANT SELECT ON old.* TO 'monitor'@'%';")
        server.administer("SET GLOBAL expire_logs_days = 7;")
        yield server


def my_profile(folder: Path, server: Server, backup: Path, database: str = "erp") -> str:
    return extending(
        folder,
        "db-mysql",
        variables={
            "my_url": f"mysql://monitor@127.0.0.1:{server.port}/{database}",
            "my_port": server.port,
            "my_user": "",
            "my_pool": "32 MiB",  # what the test's server has
            "my_backup": f"{backup}/*.dump",
        },
    )


def test_a_sound_mariadb_passes(my: Server, tmp_path: Path, backup: Path) -> None:
    results = told(run(my_profile(tmp_path, my, backup), MY))
    assert results.pop("my.health replication") == "skip"  # it is alone
    assert set(results.values()) == {"pass"}, results
    assert {name.split()[0] for name in results} == {*MY}


def test_what_is_wrong_with_a_mariadb_is_told(my: Server, tmp_path: Path, backup: Path) -> None:
    age(backup, 30)
    mode = my.administer("SELECT @@GLOBAL.sql_mode")
    my.administer("SET GLOBAL sql_mode = ''; SET GLOBAL expire_logs_days = 0;")
    try:
        results = run(my_profile(tmp_path, my, backup, database="old"), MY)
    finally:
        my.administer(f"SET GLOBAL sql_mode = '{mode}'; SET GLOBAL expire_logs_days = 7;")
    wrong = {
        (each.item, each.object if each.item == "my.health" else ""): (str(each.status), each.cause)
        for each in results
        if each.status not in ("pass", "skip")
    }
    assert wrong == {
        ("my.encoding", ""): ("fail", "encoding"),
        ("my.health", "sql mode"): ("fail", "missing"),
        ("my.health", "binary logs"): ("warn", "kept"),
        ("my.backup", ""): ("warn", "high"),
    }


# Redis

REDIS = ("redis.running", "redis.port-free", "redis.health")


def redis_profile(folder: Path, server: Server, **more: str) -> str:
    return extending(folder, "cache-redis", variables={"redis_port": server.port, **more})


def test_a_sound_redis_passes(tmp_path: Path) -> None:
    options = ("--requirepass", PASSWORD, "--maxmemory", "128mb", "--maxmemory-policy", "allkeys-lru",
               "--appendonly", "yes")  # fmt: skip
    with redis(*options) as server:
        more = {
            "redis_password": "env:FIRSTLIGHT_REDIS_PASSWORD",
            "redis_policy": "allkeys-lru",
            "redis_persistence": "aof",
        }
        assert told(run(redis_profile(tmp_path, server, **more), REDIS)) == {
            "redis.running": "pass",
            "redis.port-free": "pass",
            "redis.health access": "pass",
            "redis.health memory": "pass",
            "redis.health persistence": "pass",
        }
        # Nothing is set but the port: what is missing is said, and is not a pass.
        held = told(run(redis_profile(tmp_path, server), ["redis.health"]))
        assert held == {
            "redis.health access": "pass",
            "redis.health memory": "error",
            "redis.health persistence": "error",
        }


def test_an_open_redis_without_a_bound_is_told(tmp_path: Path) -> None:
    with redis("--protected-mode", "no", address="127.0.0.1 127.0.0.2") as server:
        results = run(redis_profile(tmp_path, server, redis_persistence="rdb"), ["redis.health"])
        assert {each.object: (str(each.status), each.cause) for each in results} == {
            "access": ("warn", "no-password"),
            "memory": ("fail", "unbounded"),
            "persistence": ("fail", "no-rdb"),
        }


# RabbitMQ

RMQ = ("rmq.running", "rmq.port-free", "rmq.reach", "rmq.health")


@pytest.fixture(scope="module")
def rabbit() -> Iterator[Rabbit]:
    with rabbitmq() as server:
        nothing = {"configure": "", "write": "", "read": ""}
        server.call("PUT", "/api/permissions/%2F/mon", nothing)
        yield server


def rmq_profile(folder: Path, rabbit: Rabbit, **more: str) -> str:
    overview = rabbit.call("GET", "/api/overview")
    assert isinstance(overview, dict)
    (port,) = {each["port"] for each in overview["listeners"] if each["protocol"] == "amqp"}
    variables = {"rmq_url": rabbit.url, "rmq_user": "mon", "rmq_port": port, **more}
    return extending(folder, "queue-rabbitmq", variables=variables)


def test_a_sound_rabbitmq_passes(rabbit: Rabbit, tmp_path: Path) -> None:
    results = told(run(rmq_profile(tmp_path, rabbit, rmq_disk_limit="64 MB"), RMQ))
    results.pop("rmq.health files")  # the limit of the machine
    assert set(results.values()) == {"pass"}, results
    assert {*results} == {
        "rmq.running", "rmq.port-free", "rmq.reach", "rmq.health nodes", "rmq.health memory",
        "rmq.health disk", "rmq.health queues",
    }  # fmt: skip


def test_messages_that_nobody_fetches_and_a_low_limit_are_told(rabbit: Rabbit, tmp_path: Path) -> None:
    rabbit.call("PUT", "/api/queues/%2F/orders", {"durable": True})
    message = {"properties": {}, "routing_key": "orders", "payload": "1", "payload_encoding": "string"}
    rabbit.call("POST", "/api/exchanges/%2F/amq.default/publish", message)
    profile = rmq_profile(tmp_path, rabbit)
    try:
        deadline = time.monotonic() + 60
        while True:  # the API learns of a message within its interval of 5 s
            results = {each.object: each for each in run(profile, ["rmq.health"])}
            if results["queues"].status == "fail" or time.monotonic() > deadline:
                break
            time.sleep(0.5)
    finally:
        rabbit.call("DELETE", "/api/queues/%2F/orders")
    assert (str(results["queues"].status), results["queues"].cause) == ("fail", "unattended")
    assert "orders" in str(results["queues"].message)
    assert (str(results["disk"].status), results["disk"].cause) == ("warn", "limit")
    assert results["queues"].severity is Severity.P1


# nginx

WEB = ("web.running", "web.port-free", "web.name", "web.answers", "web.certificate", "web.certificate-expiry",
       "web.plain-redirects", "web.protocols", "web.version-hidden")  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that nginx's workers may enter, unlike those of pytest."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="flt-site-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def test_a_sound_nginx_passes(folder: Path, tmp_path: Path) -> None:
    with site(folder) as web:
        results = told(run(extending(tmp_path, "web-nginx", variables=web.variables), WEB))
    assert results == dict.fromkeys(WEB, "pass")


def test_what_is_wrong_with_an_nginx_is_told(folder: Path, tmp_path: Path) -> None:
    with site(folder, days=(-30, -3), protocols="TLSv1 TLSv1.2", tokens="on") as web:
        variables = web.variables | {"web_plain_url": f"http://localhost:{web.port}/", "web_verify": False}
        results = run(extending(tmp_path, "web-nginx", variables=variables), WEB)
    wrong = {each.item: (str(each.status), each.cause) for each in results if each.status != "pass"}
    assert wrong == {
        "web.certificate": ("fail", "expired"),
        "web.certificate-expiry": ("fail", "expired"),
        "web.plain-redirects": ("fail", "status"),
        "web.protocols": ("fail", "differs"),
        "web.version-hidden": ("fail", "differs"),
    }
