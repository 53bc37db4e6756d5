"""What goes into the standalone build: modules by name, data files, and what is left out on purpose.

Nearly everything here is imported by name when it is wanted (commands, checks, facts, dialects), which no
analysis of imports sees. So whole packages are taken, and the standard library too: a check of the
customer's own may import any of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS = ("agent", "checks", "reports")
"""The floors that a customer's machine needs; the collector is installed with pip."""

WHOLE = (
    "certifi",
    "click",
    "cronsim",
    "cryptography",
    "jinja2",
    "msgspec",
    "paramiko",
    "psutil",
    "psycopg",
    "psycopg_binary",
    "pymysql",
    "requests",
    "rich",
    "tzdata",  # where the host has no zone files, the schedule's zones come from here
    "yaml",
)
"""Distributions taken whole; SQLAlchemy is taken by PyInstaller's own knowledge of it."""

LEFT_OUT = (
    "server",
    # Not used by us: other databases' drivers, and what a library offers beside what we use of it.
    *("MySQLdb", "aiomysql", "aiosqlite", "asyncpg", "cx_Oracle", "oracledb", "pg8000", "psycopg2", "pyodbc"),
    *("pysqlite2", "pytds", "sqlalchemy_pytds", "attr", "attrs", "invoke", "markdown_it", "pygments"),
    # Tools of the build's environment that something here would use where it is present.
    *("PyInstaller", "hypothesis", "mypy", "numpy", "pip", "pkg_resources", "pytest", "setuptools", "wheel"),
    # Parts of the standard library for people at a screen, for making Pythons, and for other systems.
    *("antigravity", "ensurepip", "idlelib", "lib2to3", "pydoc", "pydoc_data", "this", "tkinter", "_tkinter"),
    *("test", "turtle", "turtledemo", "venv", "distutils"),
    *("curses", "_curses", "_curses_panel", "nis", "ossaudiodev"),
    # Their libraries are under the GPL or the Sleepycat licence, which would bind the whole folder.
    *("readline", "_dbm", "_gdbm"),
)


def modules() -> list[str]:
    """The names of all modules to take, whether or not something imports them in plain sight."""
    names = {name for package in (*OURS, *WHOLE) for name in _modules_of(package)}
    names |= {name for top in sys.stdlib_module_names for name in _modules_of(top) if not left_out(name)}
    return sorted(names)


def absent() -> list[str]:
    """The distributions that are to be taken whole, or as PyInstaller knows them, and are not installed."""
    return [name for name in (*WHOLE, "sqlalchemy") if find_spec(name) is None]


def data() -> list[tuple[str, str]]:
    """Our files that are no code (profiles, templates), each with the folder it belongs in."""
    files = (path for package in OURS for path in sorted((ROOT / package).rglob("*")) if path.is_file())
    return [
        (str(path), str(path.parent.relative_to(ROOT)))
        for path in files
        if path.suffix not in (".py", ".pyc") and "__pycache__" not in path.parts
    ]


def left_out(name: str) -> bool:
    """Whether a module, or a package above it, is left out."""
    parts = name.split(".")
    return any(".".join(parts[: depth + 1]) in LEFT_OUT for depth in range(len(parts)))


def _modules_of(top: str) -> Iterator[str]:
    """A module and everything below it, found on disk and not imported."""
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):  # one of another system; one of those that are running just now
        return
    if spec is None or top == "__main__":
        return
    yield top
    for folder in map(Path, spec.submodule_search_locations or ()):
        for path in sorted(folder.rglob("*")):
            parts = (top, *path.relative_to(folder).parts[:-1], path.name.partition(".")[0])
            if path.suffix not in (".py", ".so") or not all(map(str.isidentifier, parts)):
                continue
            if not {"__init__", "__main__", "tests", "test", "idle_test"} & set(parts):
                yield ".".join(parts)
            elif parts[-1] == "__init__" and not {"tests", "test", "idle_test"} & set(parts):
                yield ".".join(parts[:-1])
