"""What an error of a database means: who has to do something about it, and what; never with the secret."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any, Final

from checks.facts.database import Refused
from checks.facts.secrets import masked
from checks.secret import Secret

if TYPE_CHECKING:
    from checks.facts.database import AskDatabase

SAID_LIMIT: Final = 300

# Causes: login (user, password or who may come from where), database (there is none of that name), tls, full
# (no connection left), starting, denied (a privilege is missing), timeout, lost, read-only (the statement
# writes), absent (a table), statement (it is none), failed.
_STATES: Final = {
    "28P01": "login", "28000": "login", "3D000": "database", "53300": "full", "57P03": "starting",
    "42501": "denied", "57014": "timeout", "55P03": "timeout", "25006": "read-only", "57P01": "lost",
    "57P02": "lost", "42P01": "absent", "42703": "statement", "42601": "statement", "42883": "statement",
    "42P11": "read-only", "0A000": "read-only",
}  # fmt: skip
"""SQLSTATE of PostgreSQL (manual, appendix A)."""

_CODES: Final = {
    1045: "login", 1698: "login", 1130: "login", 1129: "login", 1862: "login", 1820: "login", 4151: "login",
    1049: "database", 1044: "denied", 1040: "full", 1203: "full", 1226: "full", 1142: "denied",
    1143: "denied", 1227: "denied", 1370: "denied", 1410: "denied", 1792: "read-only", 1290: "read-only",
    1969: "timeout", 3024: "timeout", 1205: "timeout", 1317: "timeout", 1028: "timeout", 1064: "statement",
    1146: "absent", 1054: "statement", 1305: "statement", 1193: "statement", 1053: "lost", 2006: "lost",
    2013: "lost", 2026: "tls", 1927: "lost",
    18456: "login", 4060: "database", 229: "denied", 230: "denied", 297: "denied", 300: "denied",
}  # fmt: skip
"""Error numbers of MySQL and MariaDB (manuals, server and client errors), and of SQL Server, which are
others."""

_WORDS: Final = (
    (
        r"password authentication failed|no password supplied|no pg_hba\.conf entry|authentication failed",
        "login",
    ),
    (
        r"role \".*\" does not exist|role \".*\" is not permitted to log in|Login failed|ORA-01017|ORA-28000",
        "login",
    ),
    (r"database \".*\" does not exist|ORA-12514|DPY-6001|Cannot open database", "database"),
    (r"too many (clients|connections)|remaining connection slots|ORA-00020|ORA-12516|ORA-12520", "full"),
    (r"the database system is (starting|shutting)", "starting"),
    (
        r"certificate verify failed|does not match host name|does not support SSL|SSL error|root certificate",
        "tls",
    ),
    (r"SSL is required|TLS|tlsv1|sslv3", "tls"),
    (r"permission denied for|ORA-01031|ORA-01039|permission was denied", "denied"),
    (r"ORA-00942", "absent"),
    (r"ORA-01456", "read-only"),
    (r"timeout expired|connection timeout|timed out|DPY-4024|DPY-4011.*timeout", "timeout"),
    (r"server closed the connection|connection (is|has been) (lost|closed)|terminating connection", "lost"),
    (r"consuming input failed|Lost connection|gone away|DPY-1001|EOF", "lost"),
)


def told(problem: BaseException, ask: AskDatabase, secret: Secret) -> Refused:
    """The cause, and a sentence that says what is missing where it is a privilege."""
    said = scrubbed(_first_line(problem), secret)
    cause = _cause(problem, said)
    if cause == "denied":
        needs = ask.needs or _grant_for(said, ask)
        return Refused(f"needs: {' '.join(needs)} ({said})" if needs else said, "denied")
    if cause == "read-only":
        return Refused(f"the statement does more than read: {said}", cause)
    return Refused(said, cause)


_PG_DENIED: Final = re.compile(
    r"permission denied for (table|view|relation|sequence|schema|function|database) (\S+)"
)
_PG_RIGHTS: Final = {
    "schema": "USAGE ON SCHEMA",
    "database": "CONNECT ON DATABASE",
    "function": "EXECUTE ON FUNCTION",
    "sequence": "SELECT ON SEQUENCE",
}
_MY_DENIED: Final = re.compile(r"(\w+) command denied to user (\S+) for table (\S+)")
_MY_MISSING: Final = re.compile(r"you need \(at least one of\) the ([A-Z_, ]+) privilege")
_MY_DATABASE: Final = re.compile(r"Access denied for user (\S+) to database '([^']+)'")


def _grant_for(said: str, ask: AskDatabase) -> tuple[str, ...]:
    """The statement that would allow what was denied, told from the server's words; empty where they are of
    another form."""
    login = ask.address.user
    if (found := _PG_DENIED.match(said)) and login:
        return (f'GRANT {_PG_RIGHTS.get(found[1], "SELECT ON")} {found[2]} TO "{login}";',)
    if found := _MY_DENIED.search(said):
        return (f"GRANT {found[1]} ON {found[3]} TO {found[2]};",)
    if found := _MY_DATABASE.search(said):
        return (f"GRANT SELECT ON `{found[2]}`.* TO {found[1]};",)
    if (found := _MY_MISSING.search(said)) and login:
        # SUPER would do as well, and gives everything.
        rights = [name.strip() for name in found[1].split(",")]
        right = next((name for name in rights if name != "SUPER"), rights[0])
        return (f"GRANT {right} ON *.* TO '{login}'@'%';",)
    return ()


def scrubbed(text: str, secret: Secret) -> str:
    """Words of a driver without the secret, in whatever they repeat of what they were given."""
    text = secret.scrubbed(text)
    return masked(text)[:SAID_LIMIT]


def _cause(problem: BaseException, said: str) -> str:
    if isinstance(problem, TimeoutError):
        return "timeout"
    if isinstance(problem, ssl.SSLError) or isinstance(
        getattr(problem, "original_exception", None), ssl.SSLError
    ):
        return "tls"
    state = getattr(problem, "sqlstate", None)
    if isinstance(state, str) and state[:2] == "08":
        return "lost"
    if isinstance(state, str) and state in _STATES:
        return _STATES[state]
    number = _number(problem)
    if number in _CODES:
        return _CODES[number]
    for pattern, cause in _WORDS:
        if re.search(pattern, said):
            return cause
    # A server that speaks another language: it was given a password, and then it let nobody in.
    link = getattr(problem, "pgconn", None)
    return "login" if link is not None and getattr(link, "used_password", False) else "failed"


def _number(problem: BaseException) -> int:
    given: Any = getattr(problem, "number", None)
    if given is None and problem.args:
        given = problem.args[0]
    return given if isinstance(given, int) else 0


def _first_line(problem: BaseException) -> str:
    """What was said, without number and quotes, and without the statement that some repeat."""
    words = [each for each in problem.args if isinstance(each, str)]
    text = words[-1] if words else str(problem) or type(problem).__name__
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    chosen = next(
        (line for line in lines if re.search(r"\b(FATAL|ERROR):", line)), lines[0] if lines else text
    )
    return re.sub(r"^.*?\b(?:FATAL|ERROR):\s*", "", chosen)
