"""Checks of any database: PostgreSQL, MySQL and MariaDB, SQL Server, Oracle."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from checks.facts.database import Rows
from checks.facts.dbbackup import Archived, DatabaseBackup
from checks.facts.dbfacts import (
    Connections,
    DatabaseConnections,
    DatabaseEncoding,
    DatabaseLogin,
    DatabaseRights,
    Encoding,
    Login,
    QueryRows,
    Rights,
)
from checks.facts.newest import Newest, NewestFile
from checks.matchers import Matcher
from checks.model import Scalar, Severity, Verdict
from checks.registry import check, when
from checks.units import Percent, Span, span_text
from checks.verdicts import error, fail, grade, msg, passed, warn

Tls = Literal["auto", "require", "verify", "off"]

_FULL_UNICODE: Final = ("UTF8", "utf8mb4", "AL32UTF8", "UTF-16")
_SAYS: Final = {
    "refused": "the connection was refused: nothing listens there, or a firewall rejects",
    "timeout": "no login in time: {detail}",
    "dns": "the name is not known: {detail}",
    "no-route": "there is no route: {detail}",
    "login": "the login was refused: {detail}",
    "closed": "this login may not enter that database: {detail}",
    "database": "there is no such database: {detail}",
    "tls": "no TLS session: {detail}",
    "full": "no connection is left: {detail}",
    "starting": "the server is starting or stopping: {detail}",
}


@check(
    "db.connect",
    severity=Severity.P1,
    about="url",
    owner="dba",
    login=DatabaseLogin("{url}", "{password}", "{tls}", "{ca}", "{timeout}"),
)
def database_login(
    login: Login,
    url: str,
    password: str = "",
    version: Matcher | None = None,
    warn_above: Span = 0.2,
    encrypted: bool = False,
    tls: Tls = "auto",
    ca: str = "",
    timeout: Span = 5,
) -> Verdict:
    """A login gets into the database, quickly, and finds the right version.

    `url` is ``postgresql://user@host:port/database`` (or mysql, mariadb, mssql, oracle) and never holds the
    password: `password: env:NAME` or `password: file:/path` names it. The time is from the first packet to an
    answered query; above `warn_above` is a warning. Through SSH the way there is in it, so it is shown and
    not judged. `version` is a condition on
    the version as the server puts it. `tls: verify` verifies the server's certificate and name (against the
    authorities of the file `ca`, or the system's), `require` wants any, `auto` takes what is offered;
    `encrypted: true` fails where the session is not encrypted. SQL Server and Oracle: not run against a real
    server here.

    Remedy: refused or timeout: start the server, or have it listen on that address and let the port through.
    Login refused: the password, the user, and who may come from where (pg_hba.conf, the host part of a MySQL
    user). Slow: see whether the server looks up names of its clients (MySQL `skip_name_resolve`), and how
    busy it is.
    Source: frappe's bench, whose installation needs a database login; 200 ms is our judgement.
    """
    evidence: dict[str, Scalar] = {"outcome": login.outcome, "latency_ms": login.latency_ms}
    if login.outcome != "in":
        said = msg(_SAYS.get(login.outcome, "{detail}"), detail=login.detail)
        return fail(said, cause=login.outcome, evidence=evidence)
    evidence["version"] = login.version
    if login.encrypted is not None:
        evidence["encrypted"] = login.encrypted
    if encrypted and login.encrypted is not True:
        return fail("the session is not encrypted", cause="plain", evidence=evidence)
    if version is not None and not version.holds(login.version):
        say = msg("version {actual}, wanted: {wanted}", actual=login.version, wanted=str(version))
        return fail(say, cause="version", evidence=evidence)
    say = msg(
        "logged in in {latency} ms, version {actual}",
        latency=round(login.latency_ms, 1),
        actual=login.version,
    )
    bound = None if login.tunnelled else warn_above
    return grade(login.latency_ms / 1000, high=(bound, None), say=say, evidence=evidence)


@check(
    "db.encoding",
    severity=Severity.P1,
    about="url",
    owner="dba",
    kept=DatabaseEncoding("{url}", "{password}", "{tls}", "{ca}", "{timeout}"),
)
def database_encoding(
    kept: Encoding,
    url: str,
    password: str = "",
    encoding: tuple[str, ...] = (),
    collation: Matcher | None = None,
    same: bool = True,
    tls: Tls = "auto",
    ca: str = "",
    timeout: Span = 5,
) -> Verdict:
    """The database keeps every character, and compares texts in one way.

    Its encoding has to hold all of Unicode: UTF8 (PostgreSQL), utf8mb4 (MySQL and MariaDB, whose utf8 holds
    no emoji and not all Chinese characters), AL32UTF8 (Oracle), UTF-16 or a UTF8 collation (SQL Server);
    `encoding` lists others that are right. With `same` no table or column may have another collation or
    encoding than the database: comparing two of them fails, or cannot use an index. Only what the login may
    see is looked at. SQL Server and Oracle: not run against a real server here.

    Remedy: PostgreSQL: dump, create the database with `ENCODING 'UTF8' TEMPLATE template0`, restore.
    MySQL and MariaDB: `ALTER DATABASE <name> CHARACTER SET utf8mb4 COLLATE <collation>` and
    `ALTER TABLE <name> CONVERT TO CHARACTER SET utf8mb4 COLLATE <collation>`, after a backup; see how long
    that locks the table.
    Source: Frappe's requirements for MariaDB (utf8mb4 with one collation), PostgreSQL manual, chapter on
    character sets.
    """
    evidence: dict[str, Scalar] = {
        "encoding": kept.encoding,
        "collation": kept.collation,
        "connection": kept.connection,
        "differing": kept.odd_count,
    }
    right = encoding or _FULL_UNICODE
    if kept.encoding.lower() not in [each.lower() for each in right]:
        say = msg(
            "texts are kept in {encoding}, wanted: {right}", encoding=kept.encoding, right=" or ".join(right)
        )
        return fail(say, cause="encoding", evidence=evidence)
    if collation is not None and not collation.holds(kept.collation):
        say = msg("the collation is {actual}, wanted: {wanted}", actual=kept.collation, wanted=str(collation))
        return fail(say, cause="collation", evidence=evidence)
    if same and kept.odd_count:
        shown = ", ".join(kept.odd[:5]) + (", …" if kept.odd_count > 5 else "")
        say = msg(
            "{count} differ from {collation}: {shown}",
            count=kept.odd_count,
            collation=kept.collation,
            shown=shown,
        )
        return fail(say, cause="mixed", evidence=evidence)
    return passed(
        msg("{encoding}, {collation}", encoding=kept.encoding, collation=kept.collation), evidence=evidence
    )


@check(
    "db.privilege",
    severity=Severity.P1,
    about="url",
    owner="dba",
    object="{url} {user}",
    rights=DatabaseRights("{url}", "{password}", "{tls}", "{ca}", "{timeout}", "{user}"),
)
def database_privilege(
    rights: Rights,
    url: str,
    password: str = "",
    user: str = "",
    allow: tuple[str, ...] = (),
    tls: Tls = "auto",
    ca: str = "",
    timeout: Span = 5,
) -> Verdict:
    """The application's database user is no administrator.

    Looked at is the login itself, or `user` where that is given (for another user a right is needed that
    `firstlight plan --privileges` prints). Fails for what makes an administrator: SUPERUSER, CREATEROLE and
    membership in such a role (PostgreSQL); SUPER, CREATE USER, FILE, ALL or GRANT OPTION on *.* (MySQL);
    sysadmin (SQL Server); DBA (Oracle). What reaches further than one application needs, such as rights on
    all databases, is a warning. `allow` lists what this application may have, written as the message does.
    SQL Server and Oracle: not run against a real server here.

    Remedy: give the application a user of its own that owns its database and nothing else.
    PostgreSQL: `ALTER ROLE <user> NOSUPERUSER NOCREATEROLE;`. MySQL:
    `REVOKE ALL PRIVILEGES, GRANT OPTION FROM <user>;` and `GRANT ALL ON <database>.* TO <user>;`.
    Source: Odoo, deployment: the database user must not be a superuser.
    """
    may = {name.lower() for name in allow}
    powers = [name for name in rights.all_powerful if name.lower() not in may]
    broad = [name for name in rights.broad if name.lower() not in may]
    evidence: dict[str, Scalar] = {
        "user": rights.user,
        "powers": ", ".join(rights.all_powerful),
        "broad": ", ".join(rights.broad),
    }
    if powers:
        say = msg("{who} may everything: {powers}", who=rights.user, powers=", ".join(powers))
        return fail(say, cause="administrator", evidence=evidence)
    if broad:
        say = msg(
            "{who} may more than one application needs: {broad}", who=rights.user, broad=", ".join(broad[:8])
        )
        return warn(say, cause="broad", evidence=evidence)
    return passed(msg("{who} is no administrator", who=rights.user), evidence=evidence)


@check(
    "db.conn_used",
    severity=Severity.P1,
    about="url",
    owner="dba",
    connections=DatabaseConnections("{url}", "{password}", "{tls}", "{ca}", "{timeout}"),
)
def connections_used(
    connections: Connections,
    url: str,
    password: str = "",
    warn_above: Percent = 85,
    fail_above: Percent = 95,
    tls: Tls = "auto",
    ca: str = "",
    timeout: Span = 5,
) -> Verdict:
    """The database has connections left.

    What is reserved for administrators does not count as possible. The connection that asks is counted. SQL
    Server and Oracle: not run against a real server here.

    Remedy: find who holds them (`SELECT usename, client_addr, state, count(*) FROM pg_stat_activity GROUP BY
    1, 2, 3;` or `SHOW PROCESSLIST`), bound the pools of the application so that all of them together stay
    below the limit, and put a pooler in between before raising `max_connections`.
    Source: our judgement: 85 and 95 % leave time to act.
    """
    say = msg(
        "{used} of {limit} connections used ({percent} %)",
        used=connections.used,
        limit=connections.limit,
        percent=round(connections.percent, 1),
    )
    evidence: dict[str, Scalar] = {"used": connections.used, "limit": connections.limit}
    return grade(connections.percent, high=(warn_above, fail_above), say=say, evidence=evidence)


@check(
    "db.query",
    severity=Severity.P2,
    about="url",
    owner="vendor",
    found=QueryRows("{url}", "{password}", "{tls}", "{ca}", "{timeout}", "{query}", "{rows_at_most}"),
)
def query_value(
    found: Rows,
    url: str,
    query: str,
    password: str = "",
    value: Matcher | None = None,
    rows: Matcher | None = None,
    rows_at_most: int = 1000,
    tls: Tls = "auto",
    ca: str = "",
    timeout: Span = 5,
) -> Verdict:
    """A query of the database gives the value it should.

    `query` is one statement that reads: SELECT or WITH (and SHOW for MySQL). It runs in a read-only
    transaction, for `timeout` at most, and at most `rows_at_most` rows are taken. `value` is a condition on
    the first column of the first row, `rows` one on the number of rows; without either there has to be at
    least one row. No secret should be among what is selected: the value is shown in the report. SQL Server
    has no read-only transactions: give the check a login that may only read.

    Remedy: run the query by hand and see the application's own documentation; what is wrong is what the
    item's title says.
    Source: our judgement; the profile that sets the query names its source.
    """
    count = len(found.rows)
    evidence: dict[str, Scalar] = {"rows": count}
    if rows is not None:
        if found.cut and not _bounds_only(rows):
            return error(
                msg("there are more than {count} rows", count=count), cause="too-large", evidence=evidence
            )
        evidence["wanted_rows"] = str(rows)
        if not rows.holds(count + found.cut):
            say = msg(
                "{count} rows, wanted: {wanted}",
                count=f"more than {count}" if found.cut else count,
                wanted=str(rows),
            )
            return fail(say, cause="rows", evidence=evidence)
        if value is None:
            return passed(
                msg("{count} rows", count=f"more than {count}" if found.cut else count), evidence=evidence
            )
    if not count:
        return fail("the query gives no row", cause="none", evidence=evidence)
    first = found.rows[0][0] if found.rows[0] else None
    shown = "nothing" if first is None else str(first)
    evidence["actual"] = shown
    if value is None:
        return passed(msg("it gives {actual}", actual=shown), evidence=evidence)
    evidence["wanted"] = str(value)
    if value.holds(first):
        return passed(msg("it gives {actual}", actual=shown), evidence=evidence)
    return fail(
        msg("it gives {actual}, wanted: {wanted}", actual=shown, wanted=str(value)),
        cause="differs",
        evidence=evidence,
    )


@check(
    "db.backup_age",
    severity=Severity.P0,
    about="backup",
    owner="dba",
    object="{file}{url}",
    catalogue=when("url", DatabaseBackup("{url}", "{password}", "{tls}", "{ca}", "{timeout}", "{query}")),
    newest=when("file", NewestFile("{file}")),
)
def backup_age(
    catalogue: Archived | None,
    newest: Newest | None,
    now: datetime,
    file: str = "",
    url: str = "",
    query: str = "",
    password: str = "",
    warn_above: Span = 26 * 3600,
    fail_above: Span = 50 * 3600,
    at_least: int = 1,
    tls: Tls = "auto",
    ca: str = "",
    timeout: Span = 5,
) -> Verdict:
    """The last good backup is new enough.

    `file` is the backup's path, whose last part may be a pattern (``/backup/erp-*.dump``): the newest one
    counts, and must have `at_least` bytes. With `url` the server's own catalogue tells
    (PostgreSQL's archiver of write-ahead logs, SQL Server's msdb, Oracle's RMAN), or `query`, one statement
    whose first value is the moment of the last good backup (a timestamp, UTC without a zone, or Unix
    seconds). With both, the newer one of them counts. A backup that nobody has restored is a hope: ask for
    the last restore with a manual item.

    Remedy: see the log of the backup job and run it by hand; check that its target has room. PostgreSQL:
    `SELECT * FROM pg_stat_archiver;` shows what fails.
    Source: our judgement: daily, and 2 h of grace; two missed ones and 2 h fail.
    """
    found: list[float] = []
    failing = ""
    if catalogue is not None:
        found += [catalogue.at] if catalogue.at is not None else []
        failing = catalogue.failing
    if newest is not None and newest.found:
        if newest.size < at_least:
            say = msg("{path} has {size} bytes only", path=newest.path, size=newest.size)
            return fail(say, cause="small", evidence={"size": newest.size})
        found.append(float(newest.mtime))
    if catalogue is None and newest is None:
        return error("name the backup with `file`, or the database with `url`", cause="unsupported")
    if not found:
        return fail("there is no backup", cause="none", evidence={"failing": failing})
    age = now.timestamp() - max(found)
    evidence: dict[str, Scalar] = {"age_s": round(age), "failing": failing}
    if failing:
        say = msg("archiving fails since {age}: {failing}", age=span_text(max(age, 0)), failing=failing)
        return fail(say, cause="failing", evidence=evidence)
    if age < -300:
        say = msg("the last backup is from {age} in the future: a clock is wrong", age=span_text(-age))
        return error(say, cause="clock", evidence=evidence)
    say = msg("the last good backup is {age} old", age=span_text(max(age, 0)))
    return grade(age, high=(warn_above, fail_above), say=say, evidence=evidence)


def _bounds_only(rows: Matcher) -> bool:
    """Whether it is told by bounds alone, for which more than `count` rows are as good as one more."""
    return {name for name, _ in rows.tests} <= {"at_least", "at_most"}
