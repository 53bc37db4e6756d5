"""A run's report put where the user wants it: on the terminal, into a pipe or into a file."""

from __future__ import annotations

import stat
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from checks.errors import BadInput, FirstlightError

if TYPE_CHECKING:
    from reports.run.nagios import State
    from reports.run.view import RunView

Form = Literal["table", "json", "html", "junit", "sarif", "markdown", "csv", "prometheus", "nagios"]

FORMS: Final = get_args(Form)

SUFFIXES: Final[dict[str, Form]] = {
    ".csv": "csv",
    ".htm": "html",
    ".html": "html",
    ".json": "json",
    ".md": "markdown",
    ".prom": "prometheus",
    ".sarif": "sarif",
    ".xml": "junit",
}

FILE_WIDTH: Final = 100
"""Columns of a table in a file or a pipe, which have no width of their own."""


def form_of(asked: Form | None, output: Path | None) -> Form:
    """The form that was asked for, else the one that the file's name suggests, else the table."""
    return asked or (SUFFIXES.get(output.suffix.lower(), "table") if output else "table")


def refuse_unwritable(*files: Path | None) -> None:
    """Raise `BadInput` for a file that cannot be made, before minutes go into what should be in it."""
    for file in files:
        if file is None:
            continue
        if file.is_dir():
            raise BadInput(f"{file}: is a folder; name a file")
        if not file.absolute().parent.is_dir():
            raise BadInput(f"{file}: the folder {file.absolute().parent} does not exist")


def present(
    view: RunView, form: Form, output: Path | None, *, everything: bool, state: State | None = None
) -> None:
    """Write the report to `output` or standard output; raises `FirstlightError` where that fails.

    `state` is what a monitoring plugin says, needed for that form only.
    """
    if form == "table" and output is None:
        _table(view, everything)
        return
    data = _rendered(view, form, everything, state)
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        _write(output, data)
    except OSError as error:
        raise FirstlightError(f"{output}: not written: {error.strerror}") from error


def _write(output: Path, data: bytes) -> None:
    """Write the file whole or not at all: node_exporter, a web server or a share may read at any moment.

    What is not a plain file (a device, a named pipe, /dev/stdout) is written as it is, and so is a file in a
    folder that takes no new one. A link stays, and what it leads to is replaced.
    """
    from agent.durable import write_quickly

    path = output.resolve()
    try:
        mode = output.stat().st_mode
    except FileNotFoundError:
        write_quickly(path, data, mode=0o666)  # less what umask takes away, like any other new file
        return
    if not stat.S_ISREG(mode) or output.absolute().parts[1:2] in (("dev",), ("proc",)):
        output.write_bytes(data)
        return
    try:
        write_quickly(path, data, mode=stat.S_IMODE(mode) & 0o777)
    except PermissionError:
        path.write_bytes(data)


def _rendered(view: RunView, form: Form, everything: bool, state: State | None) -> bytes:
    if form == "table":
        return _file_table(view, everything)
    renderer = import_module(f"reports.run.{form}")
    data: bytes | str = renderer.render(view, state) if form == "nagios" else renderer.render(view)
    return data.encode() if isinstance(data, str) else data


def _file_table(view: RunView, everything: bool) -> bytes:
    import io

    from rich.console import Console

    from reports.run import terminal

    text = io.StringIO()
    terminal.render(view, Console(file=text, width=FILE_WIDTH, no_color=True), everything=everything)
    return text.getvalue().encode()


def _table(view: RunView, everything: bool) -> None:
    from rich.console import Console

    from reports.run import terminal

    # Rich looks at NO_COLOR, FORCE_COLOR, TERM and COLUMNS itself.
    console = Console() if sys.stdout.isatty() else Console(width=FILE_WIDTH)
    terminal.render(view, console, everything=everything)
