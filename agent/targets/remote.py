"""The facts of one remote target: rounds of asks until every fact has its reading.

In each round everything that all facts still want goes as one script, while connects are made through the
connection itself. What root alone may see is asked once more through sudo, where the target allows that.
Whatever happens on the way, every fact has a reading in the end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from agent.reading import reading_of
from agent.targets.route import Route
from agent.targets.tunnel import talk_through
from checks.errors import Unreachable
from checks.fact import Fact, NotReadable, Reading, Unavailable
from checks.facts.answered import AnsweredHost, Failed, NotYet, ProcessTable, Sockets
from checks.facts.asks import (
    Ask,
    Connect,
    ListListeners,
    ListProcesses,
    ReadFile,
    Recall,
    RecallAccepted,
    RecallAnswer,
    RecallDeliveries,
    RunCommand,
    Talk,
    is_template,
    path_of,
)
from checks.facts.host import MOUNT_TABLE
from checks.facts.memory import Memory, NoMemory
from checks.facts.mounttable import Mount, mount_of, parse_mounts
from checks.facts.permitted import Permitted

if TYPE_CHECKING:
    from paramiko import Transport

    from agent.targets.connection import Dialer
    from agent.targets.shells import Shells

Deliver = Callable[[Fact, Reading, float], None]

MAX_ROUNDS: Final = 12
RETRIES: Final = 4
"""Rounds for what is left after something hung: one to see which mounts do, and a few for what is stuck."""
AT_ONCE: Final = 8
"""Connects and conversations through the tunnel at a time."""

SUDOERS: Final = "{user} ALL=(root) NOPASSWD: /usr/bin/sh -s, /bin/sh -s"
"""What lets a login run the script as root; it is as good as root itself."""


class RemoteTarget:
    """One target over SSH, for one run. Used by one thread; `abort` may be called from another."""

    def __init__(self, route: Route, dialer: Dialer, memory: Memory | None = None) -> None:
        self.route = route
        self._memory: Memory = memory or NoMemory()
        self._dialer = dialer
        self._answers: dict[Ask, Any] = {}
        self._transport: Transport | None = None
        self._opened: Shells | None = None
        self._no_root = ""
        self._lost: Unreachable | None = None
        self._aborted = False

    @property
    def lost(self) -> Unavailable | None:
        """Why the target could not be had, or not to the end; None where it was this side that ended it."""
        if self._lost is None or self._aborted:
            return None
        return Unavailable(str(self._lost), self._lost.cause)

    def read(self, facts: Iterable[Fact], deliver: Deliver) -> None:
        """Read the facts, and give each to `deliver` as soon as it has its reading."""
        began = monotonic()
        waiting = dict.fromkeys(facts)
        wanted = dict.fromkeys(ask for fact in waiting for ask in self._first_of(fact))
        for _ in range(MAX_ROUNDS):
            self._answer([ask for ask in wanted if ask not in self._answers])
            wanted = {}
            for fact in list(waiting):
                try:
                    reading = reading_of(fact, Permitted(AnsweredHost(self._answers), fact))
                except NotYet as open_question:
                    wanted |= dict.fromkeys(open_question.asks)
                    continue
                del waiting[fact]
                deliver(fact, reading, monotonic() - began)
            if not wanted or self._lost is not None:
                break
        reason = self._lost or Unreachable("it asks for one thing after the other without an end", "failed")
        for fact in waiting:
            deliver(fact, Unavailable(str(reason), reason.cause), monotonic() - began)

    def _first_of(self, fact: Fact) -> Iterable[Ask]:
        """What to ask for a fact before anything is known of it: all but templates, so that one round may do.

        A program costs the target far more than a file, and is often only one way of several: it is asked
        for now only where the fact asks for it first.
        """
        asks = [ask for ask in fact.asks() if not is_template(ask)]
        quick = [ask for ask in asks if not isinstance(ask, RunCommand)]
        if len(quick) == len(asks):
            return asks
        try:
            reading_of(fact, Permitted(AnsweredHost(self._answers), fact))
        except NotYet as question:
            return (*quick, *question.asks)
        return quick

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        if self._transport is not None:
            self._transport.close()
        self._transport = self._opened = None

    def abort(self) -> None:
        """End whatever goes on, at once: the far side sees its input close and kills what it started."""
        self._aborted = True
        transport = self._transport
        if transport is not None:
            transport.close()

    def _answer(self, asks: Sequence[Ask]) -> None:
        """Answer these asks; in the end each has an answer or the target is lost."""
        if not asks or self._lost is not None:
            return
        for ask in asks:
            if (failed := _pointless(ask)) is not None:
                self._answers[ask] = failed
            elif isinstance(ask, Recall | RecallAccepted | RecallAnswer):
                self._answers[ask] = self._recalled(ask)
        asks = [ask for ask in asks if ask not in self._answers]
        if not asks:
            return
        talks = [ask for ask in asks if isinstance(ask, Connect | Talk)]
        others = [ask for ask in asks if not isinstance(ask, Connect | Talk)]
        found: dict[Ask, Any] = {}
        try:
            transport = self._connected()
            tunnel = threading.Thread(
                target=lambda: found.update(talk_through(transport, talks, AT_ONCE)),
                name="tunnel",
                daemon=True,
            )
            if talks:
                tunnel.start()
            if others:
                self._by_script(others)
                self._as_root(others)
            if talks:
                tunnel.join()
        except Unreachable as problem:
            self._lost = problem
            return
        self._answers |= found
        for ask in asks:
            self._answers.setdefault(ask, Failed("no answer came back", "failed"))

    def _recalled(self, ask: Recall | RecallAccepted | RecallAnswer) -> object:
        try:
            if isinstance(ask, Recall):
                return self._memory.series(ask.fact)
            if isinstance(ask, RecallAccepted):
                return self._memory.accepted(ask.fact)
            return self._memory.answer(ask.item)
        except NotReadable as problem:
            return Failed(problem.reason, problem.cause)

    def _connected(self) -> Transport:
        if self._transport is None:
            self._transport = self._dialer.dial(self.route)
        if self._aborted:
            self._transport.close()
            raise Unreachable("the run was interrupted", "interrupted")
        return self._transport

    def _by_script(self, asks: Sequence[Ask]) -> None:
        """One round; where something hung in it, further ones with what is left, each by itself."""
        self._round(asks, apart=False)
        for attempt in range(RETRIES):
            left = [ask for ask in asks if ask not in self._answers]
            if left and ReadFile(MOUNT_TABLE) not in self._answers:
                self._round([ReadFile(MOUNT_TABLE)], apart=False)
            left = self._spared(left)
            if not left:
                return
            self._round(left if attempt else self._scouts(left), apart=True)

    def _round(self, asks: Sequence[Ask], *, apart: bool) -> None:
        shells = self._shells()
        session = shells.plain()
        done = session.ask(asks, apart=apart)
        self._answers |= done.told.answers
        if done.reason:
            shells.drop(session)
            if not (done.told.answers or done.told.stuck) or not self._connected().is_active():
                raise Unreachable(f"{self.route.name}: {done.reason}", done.cause)

    def _shells(self) -> Shells:
        if self._opened is None:
            from agent.targets.shells import Shells

            self._opened = Shells(self._connected)
        return self._opened

    def _spared(self, asks: Sequence[Ask]) -> list[Ask]:
        """The asks without those about a mount that has just hung: it is not tried again and again."""
        mounts = self._mounts()
        dead = {
            mount: answer
            for ask, answer in self._answers.items()
            if isinstance(answer, Failed)
            and answer.cause in ("timeout", "stuck")
            and (mount := _remote_mount(mounts, ask))
        }
        left = []
        for ask in asks:
            mount = _remote_mount(mounts, ask)
            if mount in dead:
                said = f"{path_of(ask)}: {mount.point} ({mount.type}) did not answer"
                self._answers[ask] = Failed(said, dead[mount].cause)
            else:
                left.append(ask)
        return left

    def _scouts(self, asks: Sequence[Ask]) -> list[Ask]:
        """Of the asks about a mount that may hang, one only: where it hangs the others are spared."""
        mounts, seen = self._mounts(), set()
        left = []
        for ask in asks:
            mount = _remote_mount(mounts, ask)
            if mount not in seen:
                left.append(ask)
            if mount is not None:
                seen.add(mount)
        return left

    def _mounts(self) -> tuple[Mount, ...]:
        table = self._answers.get(ReadFile(MOUNT_TABLE))
        return parse_mounts(table.decode(errors="surrogateescape")) if isinstance(table, bytes) else ()

    def _as_root(self, asks: Sequence[Ask]) -> None:
        """Ask again through sudo what was refused, if the target has sudo; say what it would take if not."""
        refused = [ask for ask in asks if _needs_root(self._answers.get(ask))]
        listed = ListProcesses() in self._answers
        if listed and (any(isinstance(ask, ListListeners) for ask in refused) or self._hidden(asks)):
            refused.append(ListProcesses())
        if not refused:
            return
        if self.route.sudo and not self._no_root:
            try:
                self._ask_root(refused)
                return
            except Unreachable as problem:
                if self._transport is None or not self._transport.is_active():
                    raise
                self._no_root = getattr(problem, "words", str(problem))
        for ask in refused:
            answer = self._answers[ask]
            if isinstance(answer, Failed) and answer.root:
                self._answers[ask] = Failed(f"needs: root ({answer.reason}); {self._remedy()}", answer.cause)

    def _hidden(self, asks: Sequence[Ask]) -> bool:
        """Whether the process table that was just asked for may lack those of others (hidepid)."""
        table = self._answers.get(ListProcesses())
        if ListProcesses() not in asks or not isinstance(table, ProcessTable) or table.root:
            return False
        options = [mount.super_options.split(",") for mount in self._mounts() if mount.point == "/proc"]
        return any(
            each.startswith("hidepid=") and each not in ("hidepid=0", "hidepid=off")
            for mount in options
            for each in mount
        )

    def _ask_root(self, asks: Sequence[Ask]) -> None:
        shells = self._shells()
        session = shells.root()
        try:
            done = session.ask(asks)
        except Unreachable:
            shells.drop(session)
            raise
        self._answers |= done.told.answers
        if done.reason:
            shells.drop(session)
            raise Unreachable(done.reason, done.cause)

    def _remedy(self) -> str:
        line = SUDOERS.format(user=self.route.user)
        if self._no_root:
            return f"sudo refused: {self._no_root}; this sudoers line lets it: {line}"
        return f"set `sudo: true` for {self.route.name} in the site file, with this sudoers line: {line}"


def _pointless(ask: Ask) -> Failed | None:
    """Why there is no use in asking at all, as where this is asked of the machine itself."""
    if isinstance(ask, RecallDeliveries):
        return Failed("an agent's deliveries are told on its own machine only", "unsupported")
    if isinstance(ask, Connect | Talk):
        port = ask.port if isinstance(ask, Connect) else ask.destination[1]
        good = isinstance(port, int) and 0 < port < 65536
        return None if good else Failed(f"{port} is not a port", "unsupported")
    try:
        texts = [path_of(ask), *(ask.argv if isinstance(ask, RunCommand) else ())]
        if b"\0" in "".join(texts).encode(errors="surrogateescape"):
            return Failed(f"{ask.describe()}: embedded null byte", "failed")
    except UnicodeEncodeError as problem:
        return Failed(f"{ask.describe()!r}: {problem.reason}", "failed")
    if isinstance(ask, RunCommand) and (ask.secret_environment or ask.secret_stdin):
        from checks.facts.named_secret import secret_of

        try:
            for where in (*dict(ask.secret_environment).values(), ask.secret_stdin):
                if where:
                    secret_of(where)
        except NotReadable as problem:
            return Failed(problem.reason, problem.cause)
    path = getattr(ask, "path", None)
    if path is not None and not path.startswith("/"):
        return Failed(f"{path!r} is not an absolute path", "unsupported")
    return None


def _remote_mount(mounts: Sequence[Mount], ask: Ask) -> Mount | None:
    """The mount that an ask may hang on."""
    mount = mount_of(mounts, path_of(ask)) if path_of(ask) else None
    return mount if mount is not None and mount.remote else None


def _needs_root(answer: Any) -> bool:
    """Whether root might know more."""
    if isinstance(answer, Failed):
        return answer.root
    return isinstance(answer, Sockets) and bool(answer.denied) and bool(answer.listening)
