"""What any database is asked, in the words of each product, and what to grant so that it answers.

Statements for SQL Server and Oracle are written from their manuals and were not run against a real server
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from checks.facts.database import Cell
from checks.facts.dburl import Product
from checks.facts.sqltext import literal

VERSION: Final[dict[Product, str]] = {
    "postgresql": "SELECT current_setting('server_version')",
    "mysql": "SELECT version()",
    "mssql": "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128))",
    "oracle": "SELECT version FROM product_component_version WHERE rownum = 1",
}

CLOCK: Final[dict[Product, str]] = {
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())::float8",
    "mysql": "SELECT CAST(unix_timestamp(sysdate(3)) AS DOUBLE)",
    "mssql": "SELECT CAST(DATEDIFF_BIG(ms, '19700101', SYSUTCDATETIME()) AS float) / 1000",
    "oracle": (
        "SELECT (CAST(sys_extract_utc(systimestamp) AS date) - DATE '1970-01-01') * 86400 "
        "+ MOD(EXTRACT(SECOND FROM sys_extract_utc(systimestamp)), 1) FROM dual"
    ),
}

# Encoding, collation, encoding of the connection; then names of what differs, with how it does.
ENCODING: Final[dict[Product, tuple[str, ...]]] = {
    "postgresql": (
        "SELECT pg_encoding_to_char(encoding), datcollate, current_setting('server_encoding') "
        "FROM pg_database WHERE datname = current_database()",
        "SELECT format('%s.%s.%s', n.nspname, c.relname, a.attname), l.collname FROM pg_attribute a "
        "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_collation l ON l.oid = a.attcollation "
        "JOIN pg_database d ON d.datname = current_database() "
        "WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped "
        "AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%' "
        "AND l.collname NOT IN ('default', 'C', 'POSIX') AND l.collcollate IS DISTINCT FROM d.datcollate "
        "ORDER BY 1",
    ),
    "mysql": (
        "SELECT @@character_set_database, @@collation_database, @@character_set_server",
        "SELECT CONCAT(table_schema, '.', table_name), table_collation FROM information_schema.tables "
        "WHERE table_schema = database() AND table_collation <> @@collation_database "
        "UNION ALL SELECT CONCAT(table_schema, '.', table_name, '.', column_name), collation_name "
        "FROM information_schema.columns WHERE table_schema = database() "
        "AND character_set_name NOT IN (@@character_set_database, 'ascii', 'binary') ORDER BY 1",
    ),
    "mssql": (
        "SELECT CASE WHEN CAST(DATABASEPROPERTYEX(DB_NAME(), 'Collation') AS nvarchar(128)) LIKE '%[_]UTF8' "
        "THEN 'UTF8' ELSE 'UTF-16' END, CAST(DATABASEPROPERTYEX(DB_NAME(), 'Collation') AS nvarchar(128)), "
        "CAST(SERVERPROPERTY('Collation') AS nvarchar(128))",
        "SELECT s.name + '.' + t.name + '.' + c.name, c.collation_name FROM sys.columns c "
        "JOIN sys.tables t ON t.object_id = c.object_id JOIN sys.schemas s ON s.schema_id = t.schema_id "
        "WHERE c.collation_name <> CAST(DATABASEPROPERTYEX(DB_NAME(), 'Collation') AS nvarchar(128)) "
        "ORDER BY 1",
    ),
    "oracle": (
        "SELECT MAX(CASE parameter WHEN 'NLS_CHARACTERSET' THEN value END), "
        "MAX(CASE parameter WHEN 'NLS_SORT' THEN value END), "
        "MAX(CASE parameter WHEN 'NLS_NCHAR_CHARACTERSET' THEN value END) FROM nls_database_parameters",
    ),
}


def encoding_needs(product: str, login: str, database: str) -> tuple[str, ...]:
    """Tables show up in MySQL's catalogue only to whoever has a right on them."""
    if product == "mysql":
        return (f"GRANT SELECT ON `{database or '*'}`.* TO '{login}'@'%';",)
    return ()


# Open connections, and how many an ordinary user can have open; MySQL tells them in two answers.
CONNECTIONS: Final[dict[Product, tuple[str, ...]]] = {
    # A login without rights sees little of the others in pg_stat_activity, but that they are there.
    "postgresql": (
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL), "
        "(SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END) "
        "FROM pg_settings WHERE name IN "
        "('max_connections', 'superuser_reserved_connections', 'reserved_connections'))",
    ),
    "mysql": ("SHOW GLOBAL STATUS LIKE 'Threads_connected'", "SELECT @@global.max_connections"),
    "mssql": (
        "SELECT CASE WHEN HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE') = 1 THEN "
        "(SELECT COUNT(*) FROM sys.dm_exec_sessions WHERE is_user_process = 1) END, @@MAX_CONNECTIONS",
    ),
    "oracle": (
        "SELECT current_utilization, TO_NUMBER(REGEXP_SUBSTR(limit_value, '[0-9]+')) "
        "FROM v$resource_limit WHERE resource_name = 'processes'",
    ),
}


def connections_needs(product: str, login: str) -> tuple[str, ...]:
    """What lets a login see all sessions."""
    return {
        "mssql": (f"GRANT VIEW SERVER STATE TO [{login}];",),
        "oracle": (f"GRANT SELECT ON v_$resource_limit TO {login};",),
    }.get(product, ())


BACKUP: Final[dict[Product, str]] = {
    "postgresql": (
        "SELECT extract(epoch FROM last_archived_time)::float8, "
        "CASE WHEN last_failed_time > coalesce(last_archived_time, '-infinity') "
        "THEN last_failed_wal END FROM pg_stat_archiver"
    ),
    "mssql": (
        "SELECT CAST(DATEDIFF_BIG(s, '19700101', MAX(backup_finish_date)) AS float) "
        "- DATEDIFF(s, GETUTCDATE(), GETDATE()) FROM msdb.dbo.backupset "
        "WHERE type IN ('D', 'I') AND database_name = DB_NAME()"
    ),
    "oracle": (
        "SELECT (CAST(sys_extract_utc(FROM_TZ(CAST(MAX(end_time) AS timestamp), "
        "TO_CHAR(systimestamp, 'TZR'))) AS date) - DATE '1970-01-01') * 86400 "
        "FROM v$rman_backup_job_details WHERE status LIKE 'COMPLETED%' AND input_type LIKE 'DB%'"
    ),
}


def backup_needs(product: str, login: str) -> tuple[str, ...]:
    """What lets a login see the catalogue of backups."""
    return {
        "mssql": (f"USE msdb; GRANT SELECT ON dbo.backupset TO [{login}];",),
        "oracle": (f"GRANT SELECT ON v_$rman_backup_job_details TO {login};",),
    }.get(product, ())


# ---- what a login may

_PG_RIGHTS: Final = (
    "SELECT r.rolname, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls, "
    "(SELECT string_agg(m.rolname, ',' ORDER BY m.rolname) FROM pg_roles m WHERE m.oid <> r.oid "
    "AND (m.rolsuper OR m.rolname IN ('pg_execute_server_program', 'pg_write_server_files', "
    "'pg_read_server_files')) AND pg_has_role(r.oid, m.oid, 'MEMBER') AND NOT r.rolsuper) "
    "FROM pg_roles r WHERE r.rolname = {who}"
)
_MY_RIGHTS: Final = (
    "SELECT grantee, privilege_type, is_grantable FROM information_schema.user_privileges WHERE grantee {who}"
)
_MY_SELF: Final = (
    "= CONCAT('''', SUBSTRING_INDEX(current_user(), '@', 1), '''@''', "
    "SUBSTRING_INDEX(current_user(), '@', -1), '''')"
)
_MS_RIGHTS: Final = (
    "SELECT {name}, IS_SRVROLEMEMBER('sysadmin'{who}), IS_SRVROLEMEMBER('securityadmin'{who}), "
    "IS_SRVROLEMEMBER('serveradmin'{who}), IS_ROLEMEMBER('db_owner'{who})"
)
_ORA_SELF: Final = (
    "SELECT user, granted_role FROM user_role_privs UNION ALL SELECT user, privilege FROM user_sys_privs "
    "UNION ALL SELECT user, NULL FROM dual"
)
_ORA_OTHER: Final = (
    "SELECT grantee, granted_role FROM dba_role_privs WHERE grantee = UPPER({who}) "
    "UNION ALL SELECT grantee, privilege FROM dba_sys_privs WHERE grantee = UPPER({who}) "
    "UNION ALL SELECT username, NULL FROM dba_users WHERE username = UPPER({who})"
)


def rights(product: str, user: str) -> tuple[str, ...]:
    """The statement that tells what `user` may, or the login itself where that is empty."""
    who = literal(user) if user else ""
    if product == "postgresql":
        return (_PG_RIGHTS.format(who=who or "current_user"),)
    if product == "mysql":
        # Between quotes within quotes, and one name at any host.
        return (_MY_RIGHTS.format(who=f"LIKE '''{_like(user)}''@%' ESCAPE '|'" if user else _MY_SELF),)
    if product == "mssql":
        return (_MS_RIGHTS.format(name=who or "SUSER_SNAME()", who=f", {who}" if who else ""),)
    return (_ORA_OTHER.format(who=who) if who else _ORA_SELF,)


def _like(name: str) -> str:
    return name.replace("%", "|%").replace("_", "|_")


def rights_needs(product: str, login: str, user: str) -> tuple[str, ...]:
    """What lets a login see what another may; each sees its own."""
    if not user:
        return ()
    return {
        "mysql": (f"GRANT SELECT ON mysql.* TO '{login}'@'%';",),
        "mssql": (f"GRANT VIEW ANY DEFINITION TO [{login}];",),
        "oracle": (f"GRANT SELECT_CATALOG_ROLE TO {login};",),
    }.get(product, ())


_PG_POWERS: Final = ("SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS")
_MY_POWERS: Final = frozenset(
    {"SUPER", "FILE", "SHUTDOWN", "CREATE USER", "SET USER", "SET_USER_ID", "SYSTEM_USER", "ROLE_ADMIN"}
    | {"SYSTEM_VARIABLES_ADMIN", "CREATE TABLESPACE"}
)
_MY_HARMLESS: Final = frozenset(
    {"USAGE", "PROCESS", "REPLICATION CLIENT", "BINLOG MONITOR", "SHOW DATABASES", "SLAVE MONITOR"}
    | {"REPLICA MONITOR", "SHOW_ROUTINE"}
)
_MS_POWERS: Final = ("sysadmin", "securityadmin", "serveradmin", "db_owner")
_ORA_POWERS: Final = frozenset({"DBA", "SYSDBA", "IMP_FULL_DATABASE", "ALTER SYSTEM", "GRANT ANY PRIVILEGE"})
ALL_OF_MY: Final = 20
"""So many global privileges are what ALL PRIVILEGES ON *.* gives, in any version of MySQL and MariaDB."""


def read_rights(product: str, rows: Sequence[Sequence[Cell]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What makes an administrator, and what is broader than needed, of the rows that `rights` gave."""
    if product == "postgresql":
        flags, member = rows[0][1:6], rows[0][6]
        held = [name for name, flag in zip(_PG_POWERS, flags, strict=True) if flag]
        through = [f"member of {name}" for name in str(member).split(",")] if member else []
        powers = [name for name in held if name in ("SUPERUSER", "CREATEROLE")] + through
        return tuple(powers), tuple(name for name in held if name not in powers)
    if product == "mysql":
        return _mysql_rights(rows)
    if product == "mssql":
        held = [name for name, flag in zip(_MS_POWERS, rows[0][1:], strict=True) if flag == 1]
        powers = [name for name in held if name != "db_owner"]
        return tuple(powers), tuple(name for name in held if name == "db_owner")
    names = {str(row[1]) for row in rows if row[1] is not None}
    broad = {name for name in names if " ANY " in f" {name} "} - _ORA_POWERS
    return tuple(sorted(names & _ORA_POWERS)), tuple(sorted(broad))


def _mysql_rights(rows: Sequence[Sequence[Cell]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    held = {str(row[1]).upper() for row in rows}
    powers = sorted(held & _MY_POWERS)
    if len(held) >= ALL_OF_MY:
        powers = ["ALL PRIVILEGES ON *.*"]
    if any(str(row[2]).upper() == "YES" for row in rows):
        powers.append("GRANT OPTION ON *.*")
    broad = sorted(f"{name} ON *.*" for name in held - _MY_POWERS - _MY_HARMLESS)
    return tuple(powers), () if len(held) >= ALL_OF_MY else tuple(broad)
