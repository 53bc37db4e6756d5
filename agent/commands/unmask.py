"""firstlight unmask: what the tokens in a report stand for, at the site that made them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from checks.errors import BadInput, FirstlightError

LARGEST = 64 * 1024 * 1024


@click.command("unmask", short_help="Put masked names back into a report, here at the site.")
@click.argument("what", default="-", metavar="[TEXT|FILE|-]")
def command(what: str) -> None:
    """Print a text, a file or standard input with the names back that this machine masked.

    What a token such as ip-3f9a2c1b or host-0c11d2e4 stands for is kept in the state folder of the machine
    that made it, and nowhere else. A token that is not known here stays.
    """
    from agent.paths import state
    from agent.redaction.masks import load_masks, unmasked

    known = load_masks(state())
    if not known:
        raise BadInput(
            'no name was masked on this machine; config.toml says which are: [redact] mask = ["ip", "host"]'
        )
    sys.stdout.write(unmasked(_text(what), known))
    sys.stdout.flush()


def _text(what: str) -> str:
    if what == "-":
        return sys.stdin.read(LARGEST)
    path = Path(what)
    try:
        if not path.is_file():
            return what + "\n"
        if path.stat().st_size > LARGEST:
            raise BadInput(f"{path}: larger than {LARGEST} bytes; give it in parts through standard input")
        return path.read_text(errors="surrogateescape")
    except OSError as error:
        raise FirstlightError(f"{path}: {error.strerror}") from error
