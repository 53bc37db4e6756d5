"""The command line's tree: a group that imports a command's module only when the command is typed."""

from __future__ import annotations

from importlib import import_module

import click

from agent import __version__
from agent.commands import COMMANDS, EXTRAS, overview
from checks.errors import BadInput


class Tree(click.Group):
    """`firstlight` itself."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; raises `BadInput` where its extra is not installed."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except ModuleNotFoundError as missing:
            extra = EXTRAS.get(cmd_name)
            if extra is None or (missing.name or "").partition(".")[0] in ("agent", "checks", "reports"):
                raise
            from checks.extras import remedy

            raise BadInput(
                f"{cmd_name} needs {missing.name}, which is not installed; {remedy(extra)}"
            ) from missing
        return found if isinstance(found, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from checks.nearest import did_you_mean

            ctx.fail(f"no command {args[0]!r:.100}{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        return overview()


def _only_with_version(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    """`run` has answered the two together; beside anything else it means nothing."""
    if given:
        raise click.UsageError("-v goes with --version: firstlight --version -v", context)


@click.group(cls=Tree, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option(
    *("-v", "--verbose"),
    is_flag=True,
    expose_value=False,
    callback=_only_with_version,
    help="With --version: what this build was made of.",
)
def tree() -> None:
    pass


def tell_build() -> int:
    """What ``firstlight --version -v`` prints; raises `FirstlightError`."""
    from agent.build import described, this_build

    click.echo(described(this_build()), nl=False)
    return 0


def run(args: list[str]) -> int:
    """Run a command line and give its exit code; lets every exception through, which click's own `main`
    does not (it ends with 1 where the reader of a pipe has gone).
    """
    if "--version" in args and set(args) <= {"--version", "-v", "--verbose"}:
        return tell_build()
    try:
        with tree.make_context("firstlight", args) as context:
            returned = tree.invoke(context)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    return returned if isinstance(returned, int) else 0
