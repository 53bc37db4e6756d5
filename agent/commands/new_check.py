"""firstlight new-check: a check with its cases, ready to be changed."""

from __future__ import annotations

from pathlib import Path

import click

from agent.commands.options import FILE


@click.command("new-check", short_help="Write a new check with its tests.")
@click.argument("id", metavar="ID")
@click.option("--dir", "folder", type=FILE, metavar="DIR", default=".", help="Where [default: here].")
@click.option(
    "--yaml", "as_yaml", is_flag=True, help="One YAML file with rules, for which no Python is needed."
)
def command(id: str, folder: Path, as_yaml: bool) -> None:
    """Write the check ID (area.thing, such as acme.seats) and its cases into DIR, ready to be changed.

    In Python it is a module with the check and a fact of its own, which reads a file of any target, and a
    file of cases below DIR/cases. What is written passes firstlight test-checks DIR at once. Nothing that is
    there already is overwritten.
    """
    from checks.authoring.scaffold import write_check

    for path in write_check(id, folder, as_yaml=as_yaml):
        click.echo(path)
    click.echo(f"try it: firstlight test-checks {folder}", err=True)
