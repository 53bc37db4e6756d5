"""A fact read as over SSH, in rounds, from a tree of files that stands for the far machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from checks.fact import Fact, NotReadable
from checks.facts.answered import AnsweredHost, Failed, NotYet, ProcessTable
from checks.facts.asks import (
    Ask,
    ListFolder,
    ListProcesses,
    ReadFile,
    Recall,
    RunCommand,
    StatPath,
    is_template,
)
from checks.facts.child import Output
from checks.facts.localhost import LocalHost
from checks.facts.memory import Sample
from checks.facts.permitted import Permitted
from checks.facts.processtable import Process

NOT_INSTALLED = Failed("it is not installed", "absent")


def machine(root: Path, files: Mapping[str, str]) -> Path:
    """The tree with these files, by path; a path that ends with a slash is a folder."""
    for name, text in files.items():
        path = root / name.lstrip("/")
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def read(
    fact: Fact,
    root: Path,
    *,
    runs: Mapping[str, str | bytes | Output | Failed] | None = None,
    names: Iterable[str] = (),
    remembered: tuple[Sample, ...] = (),
) -> tuple[Any, list[tuple[Ask, ...]]]:
    """The value, and what was asked in each round.

    `runs` are outputs by the name of the program, `names` those of the processes that run. What a fact did
    not declare is refused, as everywhere.
    """
    host = LocalHost(str(root))
    answers: dict[Ask, Any] = {}
    rounds: list[tuple[Ask, ...]] = []

    def answer(ask: Ask) -> Any:
        if isinstance(ask, RunCommand):
            said = (runs or {}).get(ask.argv[0], NOT_INSTALLED)
            return (
                Output(0, said.encode() if isinstance(said, str) else said, b"")
                if isinstance(said, str | bytes)
                else said
            )
        if isinstance(ask, Recall):
            return remembered
        if isinstance(ask, ListProcesses):
            return ProcessTable(tuple(Process(10 + at, name, 0) for at, name in enumerate(names)), True)
        try:
            if isinstance(ask, ReadFile):
                return host.read_bytes(ask.path)
            if isinstance(ask, ListFolder):
                return host.list_folder(ask.path)
            assert isinstance(ask, StatPath)
            return host.stat(ask.path)
        except NotReadable as problem:
            return Failed(problem.reason, problem.cause)

    while True:
        try:
            return fact.read(Permitted(AnsweredHost(answers), fact)), rounds
        except NotYet as missing:
            assert not any(is_template(ask) for ask in missing.asks)
            rounds.append(missing.asks)
            answers |= {ask: answer(ask) for ask in missing.asks}
