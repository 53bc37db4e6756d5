"""Facts read of machines that a test makes up: of given answers, or in rounds as over SSH.

Either way a fact gets nothing that it did not declare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from checks.fact import Fact, NotReadable
from checks.facts.answered import AnsweredHost, Failed, NotYet, ProcessTable
from checks.facts.asks import (
    Ask,
    ListFolder,
    ListProcesses,
    ReadFile,
    ReadFrom,
    Recall,
    RunCommand,
    StatFilesystem,
    StatPath,
    is_template,
)
from checks.facts.child import Output
from checks.facts.host import Host
from checks.facts.localhost import LocalHost
from checks.facts.memory import Sample
from checks.facts.permitted import Permitted
from checks.facts.processtable import Process

RECORDED = Path(__file__).parent / "recorded"
NOT_INSTALLED = Failed("it is not installed", "absent")
MOST_ROUNDS = 10

Said = str | bytes | Output | Failed
"""What a program says: its output, or why it could not be run."""


class _Answers(dict[Ask, Any]):
    def __contains__(self, ask: object) -> bool:
        return True

    def __missing__(self, ask: Ask) -> Failed:
        return Failed(f"{ask.describe()}: not here", "absent")


class Remembering:
    """A memory with these samples of every fact."""

    def __init__(self, samples: Sequence[Sample] = ()) -> None:
        self.samples = tuple(samples)

    def series(self, fact: str) -> tuple[Sample, ...]:
        del fact
        return self.samples

    def answer(self, item: str) -> None:
        del item


def read(fact: Fact, answers: Mapping[Ask, Any]) -> Any:
    """What the fact reads of a host that gives these answers and knows of nothing else."""
    return fact.read(Permitted(AnsweredHost(_Answers(answers)), fact))


def in_rounds(
    fact: Fact,
    host: Host | Path,
    *,
    runs: Mapping[str, Said] | None = None,
    names: Iterable[str] = (),
    remembered: Sequence[Sample] = (),
) -> tuple[Any, list[tuple[Ask, ...]]]:
    """The value, read of answers that came in rounds as over SSH, and what was asked in each round.

    A host answers for itself. A path is a tree that stands for a machine (`machine`): `runs` are what its
    programs say by their names, `names` those of the processes that run, `remembered` is of every fact.
    """
    here = LocalHost(str(host), memory=Remembering(remembered)) if isinstance(host, Path) else host
    table = ProcessTable(tuple(Process(10 + at, name, 0) for at, name in enumerate(names)), True)
    answers: dict[Ask, Any] = {}
    rounds: list[tuple[Ask, ...]] = []

    def answer(ask: Ask) -> Any:
        if isinstance(host, Path) and isinstance(ask, RunCommand):
            out = (runs or {}).get(ask.argv[0], NOT_INSTALLED)
            return said(out) if isinstance(out, str | bytes) else out
        if isinstance(host, Path) and isinstance(ask, ListProcesses):
            return table
        return _answer(ask, here)

    while len(rounds) <= MOST_ROUNDS:
        try:
            return fact.read(Permitted(AnsweredHost(answers), fact)), rounds
        except NotYet as missing:
            assert not any(is_template(ask) for ask in missing.asks)
            rounds.append(missing.asks)
            answers |= {ask: answer(ask) for ask in missing.asks}
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
