"""The words of a command in a profile: a list, and never with a secret in it, which every user could see.

What a program is given as arguments stands in the process table for all to read, in plans and in reports. So
a word that looks like a secret is refused before anything runs; environment and standard input are offered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final

Argv = Annotated[tuple[str, ...], "argv"]
"""A program and its arguments, as a list of words; one word may be written as text."""

INSTEAD: Final = "every user can see arguments; give it with secret_environment or secret_stdin as env:NAME"

_OPTION: Final = re.compile(r"(?:--?|/)?([A-Za-z][\w.-]{0,100})(?:[=:](.*))?", re.DOTALL)
_URL: Final = re.compile(r"://[^/@\s:]*:[^/@\s]+@")
_VARIABLE: Final = re.compile(r"\$\{?([A-Za-z_][\w-]*)\}?")
_HEADER: Final = re.compile(
    r"(?i)\b(?:proxy-)?(?:authorization|cookie|x-api-key|x-auth-token|private-token)\s*:\s*\S"
)
_PAIRED: Final = frozenset(("user", "proxy-user", "auth", "authorization", "basic-auth", "login"))
"""Options whose value is a secret where it is ``name:password``."""

_HARMLESS: Final = re.compile(r"[0-9.,:%]*|/.*|-.*|<[^<>]*>", re.DOTALL)
"""What may follow a ``-p``: a port, a path (check_disk), another option."""

_SHORT: Final = {
    "check_mysql": "p",
    "check_mysql_query": "p",
    "check_pgsql": "p",
    "check_ldap": "P",
    "check_ldaps": "P",
    "check_radius": "p",
    "check_snmp": "CAX",
    "check_nt": "s",
    "check_http": "ab",
    "check_curl": "ab",
    "check_imap_receive": "P",
    "mysql": "p",
    "mysqladmin": "p",
    "mariadb": "p",
    "mariadb-admin": "p",
    "mongo": "p",
    "mongosh": "p",
    "redis-cli": "a",
    "curl": "u",
    "sshpass": "p",
}
"""Options of one letter that carry a password or a community, by program."""


def secret_word(argv: Sequence[str]) -> str:
    """Which word of a command carries a secret, named without showing it; empty where none does.

    Refused are ``--password=…``, ``--password …`` and ``password=…`` (whatever option's name says that it is
    secret), ``-p …`` that is neither port nor path, what is known of some programs, passwords inside URLs,
    and variables with such a name.
    """
    from checks.facts.secrets import names_a_secret

    program = argv[0].rpartition("/")[2] if argv else ""
    letters = _SHORT.get(program, "")
    for at, word in enumerate(argv[1:], 1):
        if _URL.search(word):
            return f"word {at + 1}, a URL with a password"
        if _HEADER.search(word):
            return f"word {at + 1}, a header that lets somebody in"
        if any(names_a_secret(found) for found in _VARIABLE.findall(word)):
            return f"word {at + 1}, a variable whose name says it is secret"
        following = argv[at + 1] if at + 1 < len(argv) else ""
        if len(word) >= 2 and word[0] == "-" and word[1] in letters and not word.startswith("--"):
            if word[2:] or following:
                return f"the value of {word[:2]}"
            continue
        if word == "-p" and following and not _HARMLESS.fullmatch(following):
            return "the value of -p"
        found = _OPTION.fullmatch(word)
        if found is None:
            continue
        given = following if found[2] is None else found[2]
        if word.startswith("--") and found[1].lower() in _PAIRED and re.search(r".:.", given):
            return f"the value of --{found[1]}"
        if not names_a_secret(found[1]):
            continue
        if found[2] or (word.startswith("-") and found[2] is None and following[:1] not in ("", "-")):
            return f"the value of {word[: found.end(1)]}"
    return ""


def read_argv(given: object) -> tuple[str, ...]:
    """The words of a command; raises `ValueError` for what is no list of words or has a secret in it."""
    words = given if isinstance(given, list | tuple) else [given]
    if not words or not all(isinstance(word, str | int | float) for word in words):
        raise ValueError("expected a program and its arguments as a list: [check_load, -w, '5,4,3']")
    argv = tuple(str(word) for word in words)
    if not argv[0].strip():
        raise ValueError("the first word of a command is the program")
    if "\0" in "".join(argv):
        raise ValueError("a command cannot hold a byte 0")
    refuse_secret(argv)
    return argv


def refuse_secret(argv: Sequence[str]) -> None:
    """Raise `ValueError` where a word carries a secret; the word itself is not shown."""
    where = secret_word(argv)
    if where:
        raise ValueError(f"{where} looks like a secret: {INSTEAD}")
