"""A line that moves while machines are looked at: on a terminal only, on standard error, gone at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.discover.looking import OnRead
    from checks.fact import Fact


@contextmanager
def watching() -> Iterator[OnRead]:
    """Gives what is called after each reading. How many there will be is not known before."""
    if not sys.stderr.isatty():
        yield lambda target, fact: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    columns = (
        SpinnerColumn(),
        TextColumn("looking"),
        TextColumn("{task.completed:.0f} readings"),
        TextColumn("{task.fields[last]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, last="")
        lock = Lock()

        def on_read(target: str, fact: Fact) -> None:
            with lock:
                bar.update(task, advance=1, last=f"{target} {type(fact).__name__}")

        yield on_read
