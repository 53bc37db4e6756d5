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
from agent.targets.tunnel import connect_through
from checks.errors import Unreachable
from checks.fact import Fact, Reading, Unavailable
from checks.facts.answered import AnsweredHost, Failed, NotYet, Sockets
from checks.facts.asks import Ask, Connect, ListListeners, ListProcesses, ReadFile, is_template, path_of
from checks.facts.host import MOUNT_TABLE
from checks.facts.mounttable import mount_of, parse_mounts
from checks.facts.permitted import Permitted

if TYPE_CHECKING:
    from paramiko import Transport

    from agent.targets.connection import Dialer
    from agent.targets.session import Session

Deliver = Callable[[Fact, Reading, float], None]

MAX_ROUNDS: Final = 12
CONNECTS: Final = 8
"""Connects through the tunnel at a time."""

SUDOERS: Final = "{user} ALL=(root) NOPASSWD: /usr/bin/sh -s, /bin/sh -s"
"""What lets a login run the script as root; it is as good as root itself."""


class RemoteTarget:
    """One target over SSH, for one run. Used by one thread; `abort` may be called from another."""

    def __init__(self, route: Route, dialer: Dialer) -> None:
        self.route = route
        self._dialer = dialer
        self._answers: dict[Ask, Any] = {}
        self._transport: Transport | None = None
        self._session: Session | None = None
        self._root: Session | None = None
        self._no_root = ""
        self._lost: Unreachable | None = None
        self._aborted = False

    @property
    def lost(self) -> Unavailable | None:
        """Why the target could not be had, or not to the end."""
        return None if self._lost is None else Unavailable(str(self._lost), self._lost.cause)

    def read(self, facts: Iterable[Fact], deliver: Deliver) -> None:
        """Read the facts, and give each to `deliver` as soon as it has its reading."""
        began = monotonic()
        waiting = dict.fromkeys(facts)
        wanted = dict.fromkeys(ask for fact in waiting for ask in fact.asks() if not is_template(ask))
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

    def close(self) -> None:
        for session in (self._session, self._root):
            if session is not None:
                session.close()
        if self._transport is not None:
            self._transport.close()
        self._transport = self._session = self._root = None

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
        try:
            transport = self._connected()
            connects = [ask for ask in asks if isinstance(ask, Connect)]
            others = [ask for ask in asks if not isinstance(ask, Connect)]
            tunnel = threading.Thread(
                target=lambda: self._answers.update(connect_through(transport, connects, CONNECTS)),
                daemon=True,
            )
            if connects:
                tunnel.start()
            if others:
                self._by_script(others)
                self._as_root(others)
            if connects:
                tunnel.join()
            for ask in asks:
                self._answers.setdefault(ask, Failed("no answer came back", "failed"))
        except Unreachable as problem:
            self._lost = problem

    def _connected(self) -> Transport:
        if self._transport is None:
            self._transport = self._dialer.dial(self.route)
        return self._transport

    def _by_script(self, asks: Sequence[Ask]) -> None:
        """One round; where something hung in it, one more with what was behind that, each by itself."""
        self._round(asks, apart=False)
        for _ in range(3):
            left = [ask for ask in asks if ask not in self._answers]
            if left and ReadFile(MOUNT_TABLE) not in self._answers:
                self._round([ReadFile(MOUNT_TABLE)], apart=False)
            left = self._spared(left)
            if not left:
                return
            self._round(left, apart=True)

    def _round(self, asks: Sequence[Ask], *, apart: bool) -> None:
        if self._session is None:
            from agent.targets.session import Session

            self._session = Session(self._connected())
        done = self._session.ask(asks, apart=apart)
        self._answers |= done.told.answers
        if not done.alive:
            self._session.close()
            self._session = None
            if not done.told.answers or not self._connected().is_active():
                raise Unreachable(
                    f"{self.route.name}: {done.reason}", "timeout" if "came back" in done.reason else "lost"
                )

    def _spared(self, asks: Sequence[Ask]) -> list[Ask]:
        """The asks without those about a mount that has just hung: it is not tried again and again."""
        hung = [
            (path_of(ask), answer)
            for ask, answer in self._answers.items()
            if path_of(ask) and isinstance(answer, Failed) and answer.cause in ("timeout", "stuck")
        ]
        table = self._answers.get(ReadFile(MOUNT_TABLE))
        if not hung or not isinstance(table, bytes):
            return list(asks)
        mounts = parse_mounts(table.decode(errors="surrogateescape"))
        dead = {mount: answer for path, answer in hung if (mount := mount_of(mounts, path)) and mount.remote}
        left = []
        for ask in asks:
            mount = mount_of(mounts, path_of(ask)) if path_of(ask) else None
            if mount is not None and mount in dead:
                said = f"{path_of(ask)}: {mount.point} ({mount.type}) did not answer"
                self._answers[ask] = Failed(said, dead[mount].cause)
            else:
                left.append(ask)
        return left

    def _as_root(self, asks: Sequence[Ask]) -> None:
        """Ask again through sudo what was refused, if the target has sudo; say what it would take if not."""
        refused = [ask for ask in asks if _needs_root(self._answers.get(ask))]
        if any(isinstance(ask, ListListeners) for ask in refused) and ListProcesses() in self._answers:
            refused.append(ListProcesses())
        if not refused:
            return
        if self.route.sudo and not self._no_root:
            try:
                self._ask_root(refused)
                return
            except Unreachable as problem:
                self._no_root = getattr(problem, "words", str(problem))
        for ask in refused:
            answer = self._answers[ask]
            if isinstance(answer, Failed):
                self._answers[ask] = Failed(f"needs: root ({answer.reason}); {self._remedy()}", answer.cause)

    def _ask_root(self, asks: Sequence[Ask]) -> None:
        from agent.targets.session import AS_ROOT, NoShell, Session

        if self._root is None:
            try:
                self._root = Session(self._connected(), AS_ROOT)
            except NoShell:
                if self._session is None:
                    raise
                # A server with MaxSessions 1 has room for one shell only.
                self._session.close()
                self._session = None
                self._root = Session(self._connected(), AS_ROOT)
        try:
            done = self._root.ask(asks)
        except Unreachable:
            self._root.close()
            self._root = None
            raise
        self._answers |= done.told.answers
        if not done.alive:
            self._root.close()
            self._root = None
            raise Unreachable(done.reason, "failed")

    def _remedy(self) -> str:
        line = SUDOERS.format(user=self.route.user)
        if self._no_root:
            return f"sudo refused: {self._no_root}; this sudoers line lets it: {line}"
        return f"set `sudo: true` for {self.route.name} in the site file, with this sudoers line: {line}"


def _needs_root(answer: Any) -> bool:
    """Whether root might know more."""
    if isinstance(answer, Failed):
        return answer.root
    return isinstance(answer, Sockets) and bool(answer.denied) and bool(answer.listening)
