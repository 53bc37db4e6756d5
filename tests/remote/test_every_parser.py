"""No machine's answers can break a fact: whatever comes back ends as a value of the declared type, or as
`NotReadable`.

What this machine really answers to each sample is the seed; hypothesis spoils it. Time and memory are kept by
the test's own limits: a parser that blows up does not come to its end within them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parity_samples import World, make_world, samples
from ssh_accounts import account

from agent.reading import reading_of
from checks.fact import Fact, Known, NotReadable, Unavailable
from checks.facts.answered import AnsweredHost, Failed, NotYet
from checks.facts.asks import Ask, ListFolder, ReadFile, ReadFrom, RunCommand, StatFilesystem, StatPath
from checks.facts.child import Output
from checks.facts.host import MOUNT_TABLE, Host
from checks.facts.localhost import LocalHost
from checks.facts.pathinfo import Entry, Space, Stat
from checks.facts.permitted import Permitted

Answers = dict[Ask, Any]
Read = tuple[Fact, Answers]

TEXTS = [b"", b"\0", b"\n", b"\r\n", b" ", b"\t", b"=", b":", b"-1", b"0", b"9" * 400, b"1e999", b"nan"]
TEXTS += [
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x92\xa9",
    b"{",
    b"[" * 2000,
    b'"',
    b"'",
    b"<",
    b"&#0;",
    b"%s",
]


class Remembering(LocalHost):
    """This machine, and all that it was asked with what it said."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: Answers = {}

    def _kept(self, ask: Ask, answer: Callable[[], Any]) -> Any:
        try:
            self.answers[ask] = found = answer()
        except NotReadable as problem:
            self.answers[ask] = Failed(problem.reason, problem.cause)
            raise
        return found

    def read_bytes(self, path: str, limit: int = 0) -> bytes:
        read = super().read_bytes
        found: bytes = self._kept(ReadFile(path), lambda: read(path))
        return found

    def mounts(self) -> Any:
        self.answers[ReadFile(MOUNT_TABLE)] = Path(MOUNT_TABLE).read_bytes()
        return super().mounts()

    def execute(self, ask: RunCommand) -> Output:
        run = super().execute
        found: Output = self._kept(ask, lambda: run(ask))
        return found

    def list_folder(self, path: str) -> tuple[Entry, ...]:
        listed = super().list_folder
        found: tuple[Entry, ...] = self._kept(ListFolder(path), lambda: listed(path))
        return found

    def read_from(self, path: str, offset: int) -> bytes:
        read = super().read_from
        found: bytes = self._kept(ReadFrom(path, offset), lambda: read(path, offset))
        return found


@pytest.fixture(scope="module")
def seeds() -> Iterator[dict[str, Read]]:
    """Every sample with what this machine answers to it."""
    with account() as owner, make_world(owner) as world:
        found: dict[str, Read] = {}
        for name, fact in samples(world).items():
            host = Remembering()
            with contextlib.suppress(NotReadable, OSError):
                fact.read(Permitted(host, fact))
            found[name] = fact, host.answers
        yield found


def spoilt(answer: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """Another answer of the same kind."""
    if isinstance(answer, bytes):
        return spoilt_text(answer, draw)
    if isinstance(answer, Output):
        return Output(
            draw(st.sampled_from([answer.status, 0, 1, 2, 127, 255])),
            spoilt_text(answer.out, draw),
            spoilt_text(answer.err, draw),
            draw(st.booleans()),
        )
    if isinstance(answer, tuple):
        names = st.text(max_size=20).filter(lambda name: "/" not in name and name not in ("", ".", ".."))
        kinds = st.sampled_from(["file", "directory", "link", "device"])
        return (*answer, *draw(st.lists(st.builds(Entry, names, kinds), max_size=3)))
    return answer


def spoilt_text(text: bytes, draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 200)))
        put = draw(st.sampled_from([*TEXTS, text[start:end] * 2]) | st.binary(max_size=8))
        text = text[:start] + put + text[end:]
    cut = draw(st.integers(0, len(text)) | st.just(len(text)))
    return text[:cut]


class Hostile(AnsweredHost):
    """A machine that has these answers and none to anything else."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(answers)

    def want(self, asks: Iterable[Ask]) -> None:
        del asks

    def _answer(self, ask: Ask) -> Any:
        try:
            return super()._answer(ask)
        except NotYet:
            if isinstance(ask, StatPath):
                return Stat(0o100644, 0, 0, 10, 1)
            if isinstance(ask, StatFilesystem):
                return Space(1000, 500, 400, 100, 50)
            raise NotReadable("nobody has asked for this yet", "absent") from None

    def processes(self) -> Any:
        return LocalHost().processes()

    def listeners(self) -> Any:
        return LocalHost().listeners()

    def is_root(self) -> bool:
        return True


def keeps_its_word(fact: Fact, host: Host) -> None:
    """A value that can be kept and read again, or a failed reading; never anything else."""
    reading = reading_of(fact, Permitted(host, fact))
    if not isinstance(reading, Known):
        assert isinstance(reading, Unavailable) and not DEFECT.match(reading.reason), reading
        return
    value = reading.value
    wanted = type(fact).value_type
    if wanted is None or not type(fact).__module__.startswith("checks."):
        return
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(value)), wanted) == value


KINDS = sorted({type(fact).__name__ for fact in samples(World("/nowhere")).values()})
DEFECT = re.compile("[A-Z][A-Za-z]*(Error|Exception): ")
"""How a reading begins that ended with something else than `NotReadable` or an answer of the system."""

EXAMPLES = int(os.environ.get("FIRSTLIGHT_FUZZ", "100"))
"""Of each kind of fact; many more find more, and take as much longer."""

EACH = 3
"""Samples of one kind of fact that are tried: their parser is the same."""


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_machine_says_can_be_spoilt_in_any_way(seeds: dict[str, Read], kind: str) -> None:
    told = [seed for seed in seeds.values() if type(seed[0]).__name__ == kind and says_something(seed)]
    if not told:
        return

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data())
    def broken(data: st.DataObject) -> None:
        fact, answers = data.draw(st.sampled_from(told[:EACH]))
        keeps_its_word(fact, Hostile({ask: spoilt(each, data.draw) for ask, each in answers.items()}))

    broken()


def says_something(seed: Read) -> bool:
    """Whether there is anything to spoil."""
    return any(isinstance(answer, bytes | Output | tuple) for answer in seed[1].values())


def test_the_seeds_are_worth_spoiling(seeds: dict[str, Read]) -> None:
    """Most facts are told from files and programs; where they were not recorded nothing would be tried."""
    with_text = {type(fact).__name__ for fact, answers in seeds.values() if says_something((fact, answers))}
    assert {"OsRelease", "Memory", "ConfigValue", "FileMatch", "Mounts", "Sysctl", "TimeZone"} <= with_text
