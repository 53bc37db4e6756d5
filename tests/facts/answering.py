"""A host that gives what a test says, and knows of nothing else; what a fact did not declare is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checks.fact import Fact
from checks.facts.answered import AnsweredHost, Failed
from checks.facts.asks import Ask, ReadFile, RunCommand
from checks.facts.child import Output
from checks.facts.permitted import Permitted

RECORDED = Path(__file__).parent / "recorded"


class _Answers(dict[Ask, Any]):
    def __contains__(self, ask: object) -> bool:
        return True

    def __missing__(self, ask: Ask) -> Failed:
        return Failed(f"{ask.describe()}: not here", "absent")


def read(fact: Fact, answers: Mapping[Ask, Any]) -> Any:
    """What the fact reads of such a host, within what it says that it asks."""
    return fact.read(Permitted(AnsweredHost(_Answers(answers)), fact))


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def said(out: bytes | str, status: int = 0, err: bytes = b"") -> Output:
    """The output of a command."""
    return Output(status, out.encode() if isinstance(out, str) else out, err)


def files(**texts: str) -> dict[Ask, Any]:
    """Files by path, with ``__`` for a slash: ``etc__passwd``."""
    return {ReadFile("/" + name.replace("__", "/")): text.encode() for name, text in texts.items()}


def command(*argv: str, timeout: float = 8.0) -> RunCommand:
    return RunCommand(argv, timeout)
