"""A target on the real sshd, read as the program reads it, and what can be seen of its far side from here."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
from ssh_accounts import Account, account
from ssh_site import prepared, route_to
from sshd import Sshd

from agent.targets.connection import Dialer
from agent.targets.remote import RemoteTarget
from agent.targets.session import AS_ROOT, Round, Session
from checks.fact import Fact, Known, Reading, Unavailable
from checks.facts.asks import Ask, RunCommand
from checks.facts.child import Output
from checks.facts.host import Host

WAIT_S = 60.0
"""How long to wait for what has to happen; a test that waits as long has failed."""


class Command(Fact, frozen=True):
    """What a program said and how it ended. No fact of the product: those that run commands are plugins'."""

    argv: tuple[str, ...]
    timeout: float = 4.0

    value_type: ClassVar[Any] = Output

    def describe(self) -> str:
        return self._ask().describe()

    def asks(self) -> tuple[Ask, ...]:
        return (self._ask(),)

    def read(self, host: Host) -> Output:
        return host.run(list(self.argv), self.timeout)

    def _ask(self) -> RunCommand:
        return RunCommand(self.argv, self.timeout)


@contextlib.contextmanager
def somebody_at(server: Sshd, shell: str = "/bin/sh", **kind: Any) -> Iterator[Account]:
    """An account that a server lets in; `kind` is for `ssh_accounts.account`."""
    with account(shell, **kind) as made:
        made.authorize(server.public_key)
        yield made
        # To end by itself is much quicker than to be killed while it is about to.
        deadline = time.monotonic() + 1.0
        while running(made) and time.monotonic() < deadline:
            time.sleep(0.01)


@contextlib.contextmanager
def target_at(server: Sshd, user: str = "", **route: Any) -> Iterator[RemoteTarget]:
    """A target on this server, nothing connected yet; closed at the end."""
    way = route_to(server, user=user or server.user, **route)
    dialer = Dialer(prepared(way))
    with contextlib.closing(dialer), contextlib.closing(RemoteTarget(way, dialer)) as target:
        yield target


def read(target: RemoteTarget, facts: Iterable[Fact]) -> dict[Fact, Reading]:
    """Each fact's reading, of which every fact gets exactly one."""
    wanted = list(facts)
    found: dict[Fact, Reading] = {}

    def deliver(fact: Fact, reading: Reading, seconds: float) -> None:
        assert fact not in found and seconds >= 0
        found[fact] = reading

    target.read(wanted, deliver)
    assert set(found) == set(wanted)
    return found


def read_at(server: Sshd, facts: Iterable[Fact], user: str = "", **route: Any) -> dict[Fact, Reading]:
    with target_at(server, user, **route) as target:
        return read(target, facts)


def value(reading: Reading) -> Any:
    assert isinstance(reading, Known), reading
    return reading.value


def cause(reading: Reading) -> str:
    assert isinstance(reading, Unavailable), reading
    return reading.cause


@dataclasses.dataclass(frozen=True)
class Asked:
    """One round: what was asked, through which session, and what came of it."""

    asks: tuple[Ask, ...]
    session: Session
    root: bool
    apart: bool
    done: Round


def spy_on_rounds(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Every round of scripts from here on, in order."""
    seen: list[Asked] = []
    roots: set[Session] = set()
    made, ask = Session.__init__, Session.ask

    def new(self: Session, transport: Any, command: str = "exec sh -s") -> None:
        made(self, transport, command)
        if command == AS_ROOT:
            roots.add(self)

    def spy(self: Session, asks: Sequence[Ask], *, apart: bool = False) -> Round:
        done = ask(self, asks, apart=apart)
        seen.append(Asked(tuple(asks), self, self in roots, apart, done))
        return done

    monkeypatch.setattr(Session, "__init__", new)
    monkeypatch.setattr(Session, "ask", spy)
    return seen


def eventually(what: str, holds: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def running(somebody: Account) -> list[psutil.Process]:
    """The live processes of an account."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if somebody.uid in process.uids() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def commands(somebody: Account) -> list[str]:
    """What these processes are, as ps shows it."""
    found = []
    for process in running(somebody):
        with contextlib.suppress(psutil.Error):
            found.append(" ".join(process.cmdline()).strip())
    return found


class Sessions:
    """How many sessions (channels with a program) an account has from now on, by the server's own log."""

    def __init__(self, server: Sshd, somebody: Account) -> None:
        self._server, self._name = server, somebody.name
        self._before = self._all()

    def _all(self) -> int:
        return self._server.log().count(f"Starting session: command for {self._name} from ")

    @property
    def count(self) -> int:
        return self._all() - self._before


def tool_folder(folder: Path, **tools: str) -> Path:
    """A folder of programs under other names, for a PATH."""
    folder.mkdir(parents=True)
    for name, program in tools.items():
        (folder / name).symlink_to(program)
    return folder
