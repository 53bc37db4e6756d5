"""firstlight test-checks: the tests of a folder of checks, without knowing a test tool."""

from __future__ import annotations

from pathlib import Path

import click

from agent.commands.options import FILE


@click.command("test-checks", short_help="Run the tests of the checks in a folder.")
@click.argument("folder", type=FILE, metavar="DIR")
def command(folder: Path) -> None:
    """Run every case of the checks in DIR, and see that each check keeps the contract.

    The contract: title, text, remedy and source are there; the cases hold a pass, a failure or warning, and
    an error; and with its readings taken away no passing case says anything but error. Nothing is read from a
    machine. The cases of a check in YAML stand in it, those of others in DIR/cases/ID.yaml.

    \b
    Ends with:
      2  a check or a file of cases cannot be read
      1  a test fails
      0  all hold
    """
    from checks.authoring.foldertest import run_folder

    told = 0
    failed = 0
    shown = ""
    checks = set()
    for each in run_folder(folder):
        told += 1
        checks.add(each.check)
        if each.check != shown:
            click.echo(each.check)
            shown = each.check
        click.echo(f"  {'FAIL' if each.problems else 'ok  '}  {each.name}")
        if each.problems:
            failed += 1
            for problem in each.problems:
                click.echo(f"          {problem}")
            click.echo(f"          in {each.place}")
    ending = f"{failed} of them {'fails' if failed == 1 else 'fail'}" if failed else "all hold"
    tests = f"{told} {'test' if told == 1 else 'tests'}"
    click.echo(f"{tests} of {len(checks)} {'check' if len(checks) == 1 else 'checks'}, {ending}")
    if failed:
        raise SystemExit(1)
