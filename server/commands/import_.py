"""firstlight server import: take in files that agents exported, where no network reaches them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.commands.options import OPERATOR, db_option, plain

if TYPE_CHECKING:
    from server.carry.taking import Import
    from server.db import Database
    from server.settings import Settings

COLUMNS = ("agent", "machine", "site", "runs", "new", "same", "held", "not taken")


@click.command(short_help="Take in files that agents exported.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--receipts",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="FOLDER",
    help="Where the receipts files go [default: beside each FILE].",
)
@db_option
def command(files: tuple[Path, ...], receipts: Path | None, db: str | None) -> None:
    """Take in each FILE that firstlight export wrote, and write a receipts file to carry back.

    The server may be running meanwhile. The same file again changes nothing, and is answered again.
    """
    from checks.errors import BadInput
    from server.commands.options import store_of
    from server.settings import load_settings

    settings = load_settings(db=db)
    done: list[Import] = []
    codes: set[int] = set()
    with store_of(settings.db) as opened:
        for file in files:
            try:
                taken = _take(opened, settings, file)
            except BadInput as error:
                click.echo(f"firstlight: {file}: {error}", err=True)
                codes.add(2)
                continue
            done.append(taken)
            codes.add(3 if taken.failed else 4 if taken.refused or taken.held_back else 0)
            if not _write(taken, receipts or file.absolute().parent):
                codes.add(3)
    _say(done)
    for code in (2, 3, 4):
        if code in codes:
            raise SystemExit(code)


def _take(db: Database, settings: Settings, file: Path) -> Import:
    import os
    import stat

    from checks.errors import BadInput
    from server.carry.taking import take_export
    from server.clock import utc_now

    try:
        # Not blocking: a pipe without a writer must not hang the command.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise BadInput(error.strerror or str(error)) from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise BadInput("not a plain file")
    with os.fdopen(descriptor, "rb") as opened:
        if found.st_size > settings.max_import:
            raise BadInput(f"{found.st_size:,} bytes; FIRSTLIGHT_MAX_IMPORT allows {settings.max_import:,}")
        try:
            return take_export(db, settings, utc_now, opened, by=OPERATOR)
        except OSError as error:
            raise BadInput(f"cannot be read: {error.strerror or error}") from error


def _write(taken: Import, folder: Path) -> bool:
    """Write the receipts; an older answer to the same runs is replaced."""
    from checks.whole_file import write_whole

    path = folder / taken.receipts_name
    try:
        write_whole(path, taken.receipts, mode=0o644, sync=True)
    except OSError as error:
        click.echo(
            f"firstlight: {path}: {error.strerror}; the runs are stored, but there is no receipts file: "
            "import the file once more with --receipts FOLDER",
            err=True,
        )
        return False
    click.echo(f"receipts for {taken.target}: {path}")
    return True


def _say(done: list[Import]) -> None:
    if not done:
        return
    rows: list[tuple[str, ...]] = [COLUMNS]
    for taken in done:
        counts = (taken.runs, taken.new, taken.same, taken.held, _not_taken(taken))
        rows.append((taken.agent, taken.target, taken.site_id, *map(str, counts)))
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    for row in rows:
        cells = [
            cell.ljust(width) if place < 3 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo(plain("  ".join(cells).rstrip()))
    for taken in done:
        for refusal in taken.refusals:
            how = "until that is put right" if refusal.hold else "for good"
            click.echo(plain(f"{taken.target}: run {refusal.run} not taken {how}: {refusal.words}"))
        more = _not_taken(taken) - len(taken.refusals)
        if more > 0:
            click.echo(f"{taken.target}: {more} more not taken; the receipts file names all")
    for taken in {taken.agent: taken for taken in done}.values():  # what the last file of each left open
        for gap in taken.gaps.gaps:
            click.echo(plain(f"{taken.target}: {gap}"))
        if taken.gaps.more:
            click.echo(plain(f"{taken.target}: {taken.gaps.runs} missing in all"))


def _not_taken(taken: Import) -> int:
    return taken.held_back + taken.refused + taken.failed
