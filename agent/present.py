"""A run's report put where the user wants it: on the terminal, into a pipe or into a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from checks.errors import BadInput, FirstlightError

if TYPE_CHECKING:
    from reports.run.view import RunView

Form = Literal["table", "json", "html"]

SUFFIXES: Final[dict[str, Form]] = {".html": "html", ".htm": "html", ".json": "json"}

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


def present(view: RunView, form: Form, output: Path | None, *, everything: bool) -> None:
    """Write the report to `output` or standard output; raises `FirstlightError` where that fails."""
    if form == "table" and output is None:
        _table(view, everything)
        return
    data = _rendered(view, form, everything)
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise FirstlightError(f"{output}: not written: {error.strerror}") from error


def _rendered(view: RunView, form: Form, everything: bool) -> bytes:
    if form == "json":
        from reports.run import json

        return json.render(view)
    if form == "html":
        from reports.run import html

        return html.render(view).encode()
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
