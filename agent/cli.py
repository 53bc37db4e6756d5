"""The border of the program: `main` turns whatever happens into one clear line and an exit code.

    2  the user's input is wrong          4  the collector refused
    3  something could not be done        130  stopped with Ctrl-C before there was anything to report

What only prints text is answered without the machinery of the command line, so that it feels instant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from agent import __version__


def console() -> None:
    """The console script: `main`, and then out without taking the interpreter apart object by object.

    That would cost a fifth of a check's CPU for nothing: whatever matters here was made durable when it was
    written, and no thread or handler is waited for. The collector's commands end the ordinary way.
    """
    try:
        main()
    except SystemExit as stop:
        if sys.argv[1:2] == ["server"] or not isinstance(stop.code, int):
            raise
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(stop.code)


def main(argv: Sequence[str] | None = None) -> None:
    """Answer a command line. Always ends by `SystemExit`."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _answer(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has seen enough; Python would complain once more while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _answer(args: list[str]) -> int:
    if args == ["--version"]:
        sys.stdout.write(f"firstlight {__version__}\n")
        return 0
    if args in ([], ["--help"], ["-h"]):
        from agent.commands import overview

        sys.stdout.write(overview() + "\n")
        return 0
    if args == ["checks", "list"]:
        return _run(args) if _plugins_in_use() else _list()
    return _run(args)


def _plugins_in_use() -> bool:
    """Whether there may be more checks than the built-in ones; that is told without importing any."""
    from agent.paths import state
    from checks.authoring.plugins import entry_points

    return bool(os.environ.get("FIRSTLIGHT_CHECKS_DIR") or entry_points() or state().config.exists())


def _list() -> int:
    from agent.listing import listing

    sys.stdout.write(listing())
    return 0


def _run(args: list[str]) -> int:
    import gc

    # Most of what a command does is importing; collecting then finds nothing and costs a tenth of the CPU.
    gc.set_threshold(50_000)
    import click

    from agent.console import run
    from checks.errors import FirstlightError

    try:
        return run(args)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 3
    except click.exceptions.NoArgsIsHelpError as error:  # a group that was given no command of its own
        print(error.format_message(), file=sys.stderr)  # noqa: T201 - the border
        return 2
    except click.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        return _say(f"{error.format_message()}{hint}", 2)
    except click.ClickException as error:
        return _say(error.format_message(), 2)
    except FirstlightError as error:
        return _say(str(error), exit_code(error))
    except (click.Abort, KeyboardInterrupt):
        return _say("stopped", 130)
    except BrokenPipeError:
        raise
    except PermissionError as error:
        return _say(_forbidden(error), 3)
    except Exception as error:
        if os.environ.get("FIRSTLIGHT_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        return _say(f"unexpected {what} (a defect; FIRSTLIGHT_DEBUG=1 shows where)", 3)


def _forbidden(error: PermissionError) -> str:
    """What may not be read or written, by whom: the account may be another than the one that typed it."""
    from pathlib import Path

    from agent.operator import account

    what = Path(os.fsdecode(error.filename)).absolute() if error.filename else "a file"
    return f"{what}: {error.strerror or 'permission denied'} (this runs as {account()}); name another place"


def exit_code(error: Exception) -> int:
    """2 for wrong input, 4 where the collector refused, else 3: something could not be done."""
    from checks.errors import BadInput, UplinkError

    if isinstance(error, BadInput):
        return 2
    return 4 if isinstance(error, UplinkError) and (error.permanent or error.hold) else 3


def _say(text: str, code: int) -> int:
    """One line on standard error, whatever the text holds."""
    line = " ".join(text.split())
    shown = "".join(char if char.isprintable() else "\ufffd" for char in line)
    print(f"firstlight: {shown}", file=sys.stderr)  # noqa: T201 - the border
    return code
