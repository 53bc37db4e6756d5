"""A program of the profile's choice: what it said, bounded and without what looks secret.

It runs once, without a shell, and with nothing in its arguments that is secret; what it may not show is given
by name and put in when it starts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.errors import BadInput
from checks.fact import Fact, fact
from checks.facts.asks import Ask, RunCommand

if TYPE_CHECKING:
    from checks.facts.host import Host

MAX_TIMEOUT_S: Final = 60.0


def too_long(given: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why a check's `timeout` is refused: a run waits no longer for a command (`checks.registry.check`)."""
    from checks.units import span_text

    if given["timeout"] > MAX_TIMEOUT_S:
        return "timeout", f"{span_text(given['timeout'])} is more than {span_text(MAX_TIMEOUT_S)}"
    return None


TEXT_LIMIT: Final = 4096
"""Characters kept of each of the two outputs."""

SHELL: Final = ("sh", "-c")

Pairs = tuple[tuple[str, str], ...]


class Said(msgspec.Struct, frozen=True):
    """How a command ended: its exit status (negative: the signal that ended it), and both outputs as text.

    `cut`: there was more than is kept.
    """

    status: int
    out: str = ""
    err: str = ""
    cut: bool = False


class Program(Fact, frozen=True):
    """Base of the facts that run a program; raises `BadInput` when it is made with a secret in plain sight.

    `command` is program and arguments, `timeout` in seconds. The two mappings are kept as sorted pairs, so
    that a fact can be hashed; a profile gives them as mappings.
    """

    deadline_s: ClassVar[float] = MAX_TIMEOUT_S + 5.0
    command: tuple[str, ...] | str
    timeout: float | str = 10.0
    environment: Pairs | str = ()
    secret_environment: Pairs | str = ()
    secret_stdin: str = ""

    def __post_init__(self) -> None:
        from checks.argv import secret_word
        from checks.facts.named_secret import refuse_unnamed
        from checks.facts.secrets import names_a_secret

        for name in ("environment", "secret_environment"):
            given: Any = getattr(self, name)
            if given is None or isinstance(given, Mapping):
                msgspec.structs.force_setattr(self, name, tuple(sorted((given or {}).items())))
        for name, value in _pairs(self.environment):
            _refuse_no_variable(name)
            if names_a_secret(name) or secret_word(("", value)):
                raise BadInput(
                    f"environment {name} looks like a secret: use secret_environment with env:NAME"
                )
        for name, where in _pairs(self.secret_environment):
            _refuse_no_variable(name)
            refuse_unnamed(where, f"secret_environment {name}")
        refuse_unnamed(self.secret_stdin, "secret_stdin")
        if isinstance(self.command, tuple):
            self._check(self.command)

    def describe(self) -> str:
        return self.ask().describe()

    def asks(self) -> tuple[Ask, ...]:
        return (self.ask(),)

    def ask(self) -> RunCommand:
        """What is run, with a timeout within bounds."""
        timeout = 10.0 if isinstance(self.timeout, str) else min(max(self.timeout, 0.1), MAX_TIMEOUT_S)
        return RunCommand(
            self.argv(),
            timeout,
            _pairs(self.environment),
            _pairs(self.secret_environment),
            self.secret_stdin,
        )

    def argv(self) -> tuple[str, ...]:
        return (self.command,) if isinstance(self.command, str) else self.command

    def _check(self, argv: tuple[str, ...]) -> None:
        from checks.argv import refuse_secret

        try:
            refuse_secret(argv)
        except ValueError as problem:
            raise BadInput(f"command {argv[0][:100]}: {problem}") from None


@fact
class CommandOutput(Program, frozen=True):
    """What a command said. `shell`: its one word is a text for ``sh -c``."""

    value_type: ClassVar[type] = Said
    shell: bool | str = False

    def argv(self) -> tuple[str, ...]:
        argv = super().argv()
        return (*SHELL, argv[0]) if self.shell is True else argv

    def read(self, host: Host) -> Said:
        done = host.execute(self.ask())
        out, err = shown(done.out), shown(done.err)
        cut = done.truncated or max(len(out), len(err)) > TEXT_LIMIT
        return Said(done.status, out[:TEXT_LIMIT], err[:TEXT_LIMIT], cut)

    def _check(self, argv: tuple[str, ...]) -> None:
        if self.shell is True and len(argv) != 1:
            raise BadInput("command: with `shell: true` it is one text")
        if self.shell is False and len(argv) == 1 and len(argv[0].split()) > 1:
            raise BadInput(
                f"command {argv[0]!r:.60}: write it as a list of words, or say `shell: true` for sh -c"
            )
        if self.shell is not True:
            super()._check(argv)
            return
        for part in re.split(r"[;&|\n()`]+", argv[0]):
            words = tuple(part.split())
            if words:
                super()._check(words)
                super()._check((*SHELL, *words))


def shown(data: bytes) -> str:
    """Output as text without what looks secret: a line that gives something secret a value is withheld."""
    from checks.facts.secrets import masked

    text = data[: 64 * 1024].decode("utf-8", errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return "\n".join(masked(line) for line in text.rstrip().splitlines())


def _pairs(given: Pairs | str) -> Pairs:
    """Empty for a placeholder that is not filled yet."""
    return () if isinstance(given, str) else given


def _refuse_no_variable(name: str) -> None:
    if not name.isidentifier() or not name.isascii():
        raise BadInput(f"environment {name[:60]!r} is no name of a variable")
