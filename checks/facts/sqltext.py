"""Whether a statement is one that only reads, as far as its text tells.

The database has the last word: statements run in a transaction that is read-only, under a login that the
customer chose. What is refused here is what such a transaction would let through: a second statement, a
file that is written, a lock that is taken.
"""

from __future__ import annotations

import re
from typing import Final

from checks.errors import BadInput

LENGTH_LIMIT: Final = 20_000

_STARTS: Final = ("select", "with", "show")
_REFUSED: Final = frozenset({"into", "outfile", "dumpfile"})
_BATCH: Final = frozenset(
    {"insert", "update", "delete", "merge", "exec", "execute", "drop", "alter", "create", "truncate"}
    | {"grant", "revoke", "deny", "backup", "restore", "kill", "shutdown", "waitfor", "reconfigure", "bulk"}
    | {"dbcc", "use", "set", "declare", "begin", "commit", "rollback", "save"}
    | {"openrowset", "openquery", "opendatasource"}
)
"""Words that begin a statement of T-SQL, which needs no semicolon between two, or reach beyond the server."""

_LOCKS: Final = r"\bfor (no key )?update\b|\bfor (key )?share\b|\block in share mode\b|\bprocedure analyse\b"
_STRINGS: Final = {
    "mysql": r"""'(?:[^'\\]|''|\\.)*' | "(?:[^"\\]|""|\\.)*" | `(?:[^`]|``)*`""",
    "mssql": r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | \[(?:[^\]]|\]\])*\]""",
    "postgresql": r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>[A-Za-z_]?\w*)\$.*?\$(?P=tag)\$""",
    "oracle": r"""'(?:[^']|'')*' | "(?:[^"]|"")*" """,
}
_TOKENS: Final = r"""
    (?P<comment> --[^\n]* | \#[^\n]* | /\*.*?\*/ )
  | (?P<text> STRINGS )
  | (?P<open> /\* | OPENED | \$\w*\$ )
  | (?P<word> [^\W\d]\w* )
  | (?P<end> ; )
  | (?P<other> \s+ | . )
"""


def refuse_unsafe(statement: str, product: str, what: str = "query") -> None:
    """Raise `BadInput` where a statement is not one reading statement of that product."""
    problem = unsafe(statement, product)
    if problem:
        raise BadInput(f"{what}: {problem}")


def unsafe(statement: str, product: str) -> str:
    """What is wrong with a statement as one that only reads; empty where nothing is."""
    if len(statement) > LENGTH_LIMIT:
        return f"longer than {LENGTH_LIMIT} characters"
    if "\0" in statement:
        return "it holds a zero byte"
    words: list[str] = []
    ended = False
    tokens = _TOKENS.replace("STRINGS", _STRINGS.get(product, _STRINGS["oracle"]))
    tokens = tokens.replace("OPENED", r"[\['\"]" if product == "mssql" else r"['\"`]")
    for token in re.finditer(tokens, statement, re.VERBOSE | re.DOTALL):
        text = token[0]
        kind = next(name for name in _KINDS if token[name] is not None)
        if kind == "comment":
            problem = _unsafe_comment(text, product)
            if problem:
                return problem
        elif kind == "open":
            return "a quote or comment that does not end"
        elif text.isspace():
            continue
        elif ended:
            return "only one statement is run"
        elif kind == "text" and product == "mysql" and "\\" in text:
            return "a backslash within quotes: whether it ends them depends on the server"
        elif kind == "word":
            words.append(text.lower())
        ended = ended or kind == "end"
    return _unsafe_words(words, product)


_KINDS: Final = ("comment", "text", "open", "word", "end", "other")


def _unsafe_comment(text: str, product: str) -> str:
    """What is wrong with a comment, or with what is one for another product; empty where nothing is."""
    if text.startswith(("/*!", "/*M!")):
        return "a comment that MySQL would run"
    if text.startswith("#"):
        return "" if product == "mysql" else "a # outside of quotes"
    if text.startswith("--"):
        right = product != "mysql" or text[2:3] in ("", " ", "\t", "\n", "\r")
        return "" if right else "write a space behind --: without one it is no comment to MySQL"
    return "a comment within a comment" if "/*" in text[2:] else ""


def _unsafe_words(words: list[str], product: str) -> str:
    if not words or words[0] not in _STARTS:
        return "it does not begin with SELECT, WITH or SHOW"
    if words[0] == "show" and product != "mysql":
        return "SHOW is for MySQL and MariaDB; write SELECT current_setting('name') here"
    refused = _REFUSED | (_BATCH if product == "mssql" else frozenset())
    for word in words:
        if word in refused:
            return f"{word.upper()} does more than read"
    if re.search(_LOCKS, " ".join(words)):
        return "it takes locks"
    return ""


def literal(text: str) -> str:
    """Text between quotes for a statement. Raises `BadInput` for characters that no name needs."""
    if not re.fullmatch(r"[\w .@$%#:/-]{1,128}", text):
        raise BadInput(f"{text!r:.60} is no name that can stand in a query")
    return f"'{text}'"


def flat(statement: str) -> str:
    """A statement on one line, for plans."""
    return " ".join(statement.split())
