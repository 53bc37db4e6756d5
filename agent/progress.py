"""A line that moves while facts are read: on a terminal only, on standard error, gone when it is over."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.collect import OnReading
    from checks.fact import Fact, Reading
    from checks.plan import Plan


@contextmanager
def progress(plan: Plan) -> Iterator[OnReading | None]:
    """Gives what `collect` calls after each reading; None, and nothing imported, where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.text import Text

    columns = TextColumn("reading"), BarColumn(24), MofNCompleteColumn(), TextColumn("{task.fields[last]}")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=sum(len(plan.facts(target.name)) for target in plan.targets), last="")
        read = 0

        def on_reading(target: str, fact: Fact, reading: Reading) -> None:
            nonlocal read
            read += 1
            total = max(read, int(bar.tasks[0].total or 0))
            bar.update(task, advance=1, total=total, last=Text(type(fact).__name__).plain)

        yield on_reading
