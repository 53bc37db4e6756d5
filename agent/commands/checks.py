"""firstlight checks: the checks there are, and the page of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from agent.commands.options import checks_dir_option
from agent.listing import known_checks, listing
from checks import registry
from checks.authoring import plugins
from checks.fact import Fact

if TYPE_CHECKING:
    from checks.parameters import Parameter
    from checks.registry import Check

FORMAT = click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)


class Line(msgspec.Struct, frozen=True):
    """A check in `checks list --format json`; `origin` is empty for a built-in one."""

    id: str
    version: int
    severity: str
    owner: str
    title: str
    origin: str


class ParameterPage(msgspec.Struct, frozen=True):
    """A parameter in `checks show --format json`; `default` is meaningless if it is required."""

    name: str
    type: str
    required: bool
    default: object


class Page(msgspec.Struct, frozen=True):
    """A check in `checks show --format json`."""

    id: str
    version: int
    severity: str
    about: str
    owner: str
    title: str
    doc: str
    remedy: str
    source: str
    parameters: list[ParameterPage]
    facts: list[str]


@click.group(short_help="The checks there are: list, show ID.")
def command() -> None:
    """The checks that profiles can name."""


@command.command("list", short_help="One line a check.")
@FORMAT
@checks_dir_option
def list_(form: str) -> None:
    """Every check: its id, the severity of a failure unless a profile says otherwise, and what it asks.

    Where it is not built in, the distribution or the file it comes from stands in brackets.
    """
    if form == "json":
        _print_json(
            [
                Line(c.id, c.version, c.severity.value, c.owner, c.title, registry.origin_of(c.id))
                for c in known_checks()
            ]
        )
    else:
        click.echo(listing(), nl=False)
    for problem in plugins.problems():
        click.echo(f"firstlight: {problem}", err=True)


@command.command("show", short_help="The page of one check.")
@click.argument("id")
@FORMAT
@checks_dir_option
def show(id: str, form: str) -> None:
    """What the check ID asks and why, what can be set, what it reads, and what to do where it fails."""
    page = page_of(registry.get(id))
    if form == "json":
        _print_json(page)
        return
    click.echo(f"{page.id}  ·  {page.severity}  ·  version {page.version}  ·  owner {page.owner}\n")
    if origin := registry.origin_of(id):
        click.echo(f"From {origin}\n")
    click.echo(_wrapped(page.title))
    if page.doc:
        click.echo("\n" + _wrapped(page.doc))
    click.echo("\nParameters" if page.parameters else "\nNo parameters.")
    for parameter in page.parameters:
        given = "required" if parameter.required else f"default {_shown(parameter.default)}"
        click.echo(f"  {parameter.name:<14}  {parameter.type}, {given}")
    click.echo("\nReads")
    for fact in page.facts:
        click.echo(f"  {fact}")
    click.echo("\nRemedy\n" + _wrapped(page.remedy, "  "))
    click.echo("\nSource of the defaults\n" + _wrapped(page.source, "  "))


def page_of(check: Check) -> Page:
    """Everything about a check that its author wrote down."""
    facts = [declared if isinstance(declared, Fact) else declared.fact for declared in check.facts.values()]
    if check.each is not None:
        facts.insert(0, check.each[1])
    return Page(
        id=check.id,
        version=check.version,
        severity=check.severity.value,
        about=check.about,
        owner=check.owner,
        title=check.title,
        doc=check.doc,
        remedy=check.remedy,
        source=check.source,
        parameters=[_parameter(parameter) for parameter in check.parameters.values()],
        facts=[fact.describe() for fact in facts],
    )


def _parameter(parameter: Parameter) -> ParameterPage:
    from checks.parameters import canonical

    default = None if parameter.required else canonical(parameter.default)
    return ParameterPage(parameter.name, parameter.type, parameter.required, default)


def _shown(default: object) -> str:
    if default is None or default == "":
        return "none"
    if isinstance(default, float):
        return f"{default:g}"
    return default if isinstance(default, str) else msgspec.json.encode(default).decode()


def _wrapped(text: str, indent: str = "") -> str:
    """Paragraphs of at most 88 columns; lists and indented lines stay as they are."""
    from textwrap import fill

    paragraphs = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        kept = any(line.startswith((" ", "- ")) for line in lines)
        for line in lines if kept else [" ".join(lines)]:
            paragraphs.append(
                fill(
                    line,
                    88,
                    initial_indent=indent,
                    subsequent_indent=indent,
                    break_on_hyphens=False,  # a command has to stay what it is
                    break_long_words=False,
                )
            )
        paragraphs.append("")
    return "\n".join(paragraphs).rstrip()


def _print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
