"""A fact read the way it is over SSH, in rounds, with this machine giving the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checks.fact import Fact, NotReadable
from checks.facts.answered import AnsweredHost, Failed, NotYet
from checks.facts.asks import (
    Ask,
    ListFolder,
    ReadFile,
    ReadFrom,
    Recall,
    RunCommand,
    StatFilesystem,
    StatPath,
)
from checks.facts.host import Host
from checks.facts.memory import Sample
from checks.facts.permitted import Permitted


class Remembering:
    """A memory with these samples of every fact."""

    def __init__(self, samples: Sequence[Sample] = ()) -> None:
        self.samples = tuple(samples)

    def series(self, fact: str) -> tuple[Sample, ...]:
        del fact
        return self.samples

    def answer(self, item: str) -> None:
        del item


def in_rounds(fact: Fact, host: Host) -> tuple[Any, int]:
    """What the fact gives, with nothing but what it declared, and how many rounds that took."""
    answers: dict[Ask, Any] = {}
    for rounds in range(10):
        try:
            return fact.read(Permitted(AnsweredHost(answers), fact)), rounds
        except NotYet as open_ones:
            for ask in open_ones.asks:
                answers[ask] = _answer(ask, host)
    raise AssertionError("it never has enough")


def _answer(ask: Ask, host: Host) -> Any:
    try:
        match ask:
            case ReadFile():
                return host.read_bytes(ask.path)
            case ReadFrom():
                return host.read_from(ask.path, int(ask.offset))
            case StatPath():
                return host.stat(ask.path)
            case StatFilesystem():
                return host.statvfs(ask.path)
            case ListFolder():
                return host.list_folder(ask.path)
            case Recall():
                return host.recall(ask.fact)
            case RunCommand():
                return host.execute(ask)
    except NotReadable as problem:
        return Failed(problem.reason, problem.cause)
    raise AssertionError(ask)
