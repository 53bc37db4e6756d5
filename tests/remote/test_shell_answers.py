"""Whatever comes back from a script, reading it never fails, and what it gives is what the whole would give.

The output is that of a real `sh`, recorded once; then it is torn, shuffled and spoilt.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.facts.answered import Failed, ProcessTable, Sockets
from checks.facts.asks import (
    Ask,
    AskClock,
    CompareClocks,
    HashFile,
    ListListeners,
    ListProcesses,
    ReadFile,
    RunCommand,
    StatFilesystem,
    StatPath,
)
from checks.facts.child import Output
from checks.facts.pathinfo import Space, Stat
from checks.facts.shell import AT_ONCE, Script, compose, new_nonce, root_in, start
from checks.facts.shell_answers import Told, read_answers
from checks.facts.shell_tables import Timing

TIMING = Timing(1000.0, 1000.5)

TYPES: dict[type[Ask], tuple[type, ...]] = {
    ReadFile: (bytes,),
    StatPath: (Stat,),
    StatFilesystem: (Space,),
    HashFile: (str,),
    ListProcesses: (ProcessTable,),
    ListListeners: (Sockets,),
    AskClock: (int, type(None)),
    CompareClocks: (tuple,),
    RunCommand: (Output,),
}


class Recorded:
    """What a script said."""

    def __init__(self, script: Script, output: bytes, errors: bytes) -> None:
        self.script, self.output, self.errors = script, output, errors

    def told(self, output: bytes | None = None, errors: bytes | None = None) -> Told:
        output = self.output if output is None else output
        return read_answers(self.script, output, self.errors if errors is None else errors, TIMING)

    @property
    def asks(self) -> list[Ask]:
        return [ask for section in self.script.sections for ask in section.asks]


def record(asks: list[Ask]) -> Recorded:
    """What a real shell answers."""
    nonce = new_nonce()
    script = compose(asks, nonce)
    # A session of its own: the script may end all of the one that it leads.
    with subprocess.Popen(
        ["sh", "-s"], stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
    ) as shell:
        assert shell.stdin is not None and shell.stdout is not None and shell.stderr is not None
        shell.stdin.write((start(nonce) + script.text).encode(errors="surrogateescape"))
        shell.stdin.flush()
        output = b""
        while not output.endswith(f"\n{nonce} end\n".encode()):
            data = os.read(shell.stdout.fileno(), 1 << 16)
            assert data, output
            output += data
        shell.stdin.close()
        errors = shell.stderr.read()
    return Recorded(script, output.partition(f"\n{nonce} go\n".encode())[2], errors)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("recorded")
    texts = {
        "a": b"first\n",
        "b": b"no end",
        "c\nd": b"",
        "e'\"\\": b"\0\xff\n==> x <==\n",
        "f": b"last\n" * 9,
    }
    asks: list[Ask] = [CompareClocks(), ListProcesses(), ListListeners(), AskClock()]
    for name, text in texts.items():
        path = folder / name
        path.write_bytes(text)
        asks += [kind(str(path)) for kind in (ReadFile, StatPath, StatFilesystem, HashFile)]
    for odd in ("/no/such/file", str(folder), "/dev/null", "/proc/sys/net/ipv6/conf/all/stable_secret"):
        asks += [kind(odd) for kind in (ReadFile, StatPath, StatFilesystem, HashFile)]
    asks += [RunCommand(("sh", "-c", "echo out; echo err >&2; exit 3")), RunCommand(("no-such-program",))]
    yield record(asks)


def sound(told: Told) -> bool:
    """Every answer is of the type that its question has."""
    return all(isinstance(answer, (Failed, *TYPES[type(ask)])) for ask, answer in told.answers.items())


def test_the_whole_of_it_answers_everything(recorded: Recorded) -> None:
    told = recorded.told()
    assert set(told.answers) == set(recorded.asks)
    assert sound(told)
    assert told.hung == told.stuck == ()
    contents = [told.answers[ask] for ask in recorded.asks if isinstance(ask, ReadFile)]
    assert contents[:5] == [b"first\n", b"no end", b"", b"\0\xff\n==> x <==\n", b"last\n" * 9]


@given(cut=st.floats(0, 1))
@settings(max_examples=400, deadline=None)
def test_what_is_torn_off_anywhere_gives_nothing_that_the_whole_does_not_give(
    recorded: Recorded, cut: float
) -> None:
    whole = recorded.told().answers
    told = recorded.told(recorded.output[: int(cut * len(recorded.output))])
    assert {ask: whole[ask] for ask in told.answers} == told.answers
    assert told.hung == told.stuck == ()


@given(cut=st.floats(0, 1), number=st.integers(0, 60))
@settings(max_examples=300, deadline=None)
def test_a_section_that_was_killed_gives_nothing_that_the_whole_does_not_give(
    recorded: Recorded, cut: float, number: int
) -> None:
    """As by the kernel, for want of memory: nobody says that it was late, but its status tells."""
    at = number % len(recorded.script.sections)
    mark = f"\n{recorded.script.nonce} {at} ".encode()
    before, _, after = recorded.output.partition(mark)
    # It begins behind the line that ends the one before it.
    end = before.rfind(f"\n{recorded.script.nonce} {at - 1} ".encode()) if at else -1
    begin = before.find(b"\n", end + 1) + 1 if at else 0
    kept = begin + int(cut * (len(before) - begin))
    told = recorded.told(before[:kept] + mark + b"137\n" + after.partition(b"\n")[2])
    whole = recorded.told().answers
    assert {ask: whole[ask] for ask in told.answers} == told.answers
    assert told.hung == ()
    others = {ask for n, part in enumerate(recorded.script.sections) if n != at for ask in part.asks}
    assert others <= set(told.answers)


@given(seed=st.integers(0, 2**32), changes=st.integers(1, 12))
@settings(max_examples=600, deadline=None)
def test_what_was_spoilt_never_fails(recorded: Recorded, seed: int, changes: int) -> None:
    """Lines are lost, doubled, moved, broken and overwritten, on both channels."""
    chance = random.Random(seed)

    def spoil(data: bytes) -> bytes:
        lines = data.split(b"\n")
        for _ in range(changes):
            at, to = chance.randrange(len(lines)), chance.randrange(len(lines))
            match chance.randrange(6):
                case 0:
                    del lines[at : at + chance.randrange(5)]
                case 1:
                    lines.insert(to, lines[at])
                case 2:
                    lines[at], lines[to] = lines[to], lines[at]
                case 3:
                    lines[at] = lines[at][: chance.randrange(20)]
                case 4:
                    lines[at] = chance.randbytes(chance.randrange(50))
                case 5:
                    lines[at] = lines[at].replace(b" ", b"\t9 ")
            lines = lines or [b""]
        return b"\n".join(lines)

    assert sound(recorded.told(spoil(recorded.output), spoil(recorded.errors)))


@given(output=st.binary(max_size=300), errors=st.binary(max_size=100))
def test_anything_else_answers_nothing(recorded: Recorded, output: bytes, errors: bytes) -> None:
    assert recorded.told(output, errors).answers == {}


@given(
    late=st.sampled_from(
        ["late", "stuck 1 2", "stuck", "stuck x", "end", "go", "0 0", "99 0", "read", "err"]
    ),
    cut=st.floats(0, 1),
)
@settings(max_examples=300, deadline=None)
def test_a_frame_in_the_wrong_place_never_fails(recorded: Recorded, late: str, cut: float) -> None:
    at = int(cut * len(recorded.output))
    frame = f"\n{recorded.script.nonce} {late}\n".encode()
    assert sound(recorded.told(recorded.output[:at] + frame + recorded.output[at:]))


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 1000])
def test_every_path_of_a_script_has_a_root_of_its_own(count: int) -> None:
    """It is what tells them apart in whatever a tool says of them, however it quotes their names."""
    asks: list[Ask] = [ReadFile(f"/.//{at}") for at in range(count)]
    script = compose(asks, new_nonce())
    roots = [root for section in script.sections for root in section.roots]
    assert len(set(roots)) == count
    assert max(len(section.asks) for section in script.sections) <= AT_ONCE
    assert all(Path(root).resolve() == Path("/") for root in roots[:3])
    for root, ask in zip(roots, asks, strict=True):
        assert root_in(f"head: cannot open '{root}{ask.path}' for reading: x") == root  # type: ignore[attr-defined]


def test_no_root_is_in_what_anybody_says_by_chance() -> None:
    assert root_in("") == root_in("/etc/passwd: Permission denied") == root_in("/./" * 20) == ""


def test_an_answer_that_makes_no_sense_is_said_to(recorded: Recorded) -> None:
    nonce = new_nonce()
    for ask in (CompareClocks(), ListProcesses(), ListListeners(), RunCommand(("true",)), AskClock()):
        script = compose([ask], nonce)
        told = read_answers(script, f"nonsense\n{nonce} 0 0\n".encode(), b"", TIMING)
        answer: Any = told.answers[ask]
        assert isinstance(answer, Failed)
        assert answer.cause in ("parse", "unsupported")
