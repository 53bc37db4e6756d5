"""firstlight convert: a goss file as a profile, to keep and edit."""

from __future__ import annotations

from pathlib import Path

import click

from agent.commands.options import FILE
from checks.errors import BadInput, FirstlightError


@click.command(short_help="Write a goss file down as a profile.")
@click.argument("file", type=FILE, metavar="GOSSFILE")
@click.option("-o", "--output", type=FILE, help="Write to this file [default: standard output].")
@click.option("--name", default="", help="What the profile is called [default: as the file].")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option(
    "--vars", "vars_files", multiple=True, type=FILE, help="Variables for its templates. Repeatable."
)
@click.option("--vars-inline", default="", metavar="YAML", help="Variables, after those of files.")
def command(
    file: Path, output: Path | None, name: str, force: bool, vars_files: tuple[Path, ...], vars_inline: str
) -> None:
    """Write the goss file GOSSFILE, with what it includes, as a profile that gives the same results.

    Titles and places stand beside each item as comments. What nobody here can tell stays in the profile as an
    item that is always an error, with the reason, so that it is neither lost nor forgotten; it is told on
    standard error, too.

    \b
    Ends with:
      2  the file cannot be read
      1  something of it could not be said here
      0  all of it stands in the profile
    """
    from checks.goss.suite import load_suite, written
    from checks.nodes import NAME

    if name and not NAME.fullmatch(name):
        raise BadInput(f"--name {name[:60]!r} is no name; use letters, digits, dots, _ and -")
    if output is not None and output.exists() and not force:
        raise BadInput(f"{output} is there already; --force replaces it")
    suite = load_suite(file, vars_files, vars_inline)
    text = written(suite, name)
    if output is None:
        click.echo(text, nl=False)
    else:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise FirstlightError(f"{output}: not written: {error.strerror}") from error
        click.echo(f"{output}: {len(suite.pieces)} items", err=True)
    for line in (*suite.notes, *suite.unmapped):
        click.echo(line, err=True)
    if suite.unmapped:
        raise SystemExit(1)
