"""A shell on the far side that answers rounds: one script in, one framed answer out, on one channel.

The channel is opened once and kept for further rounds. Nothing is asked of the login shell but to become
`sh -s`, so it may be csh, fish or talk as much as it likes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from agent.targets.connection import CONNECT_S
from checks.errors import Unreachable
from checks.facts.shell import LONG_S, SHORT_S, Script, compose, new_nonce, start
from checks.facts.shell_answers import Timing, Told, read_answers

if TYPE_CHECKING:
    from paramiko import Channel, Transport

    from checks.facts.asks import Ask

PLAIN: Final = "exec sh -s"
AS_ROOT: Final = "exec sudo -n sh -s"

OUTPUT_LIMIT: Final = 64 * 1024 * 1024
ERROR_LIMIT: Final = 256 * 1024
GRACE_S: Final = 5.0
"""How much longer than its watchdog a round may be silent: two seconds to see a stuck child, and the way."""


class NoShell(Unreachable):
    """The login worked, but nothing that can read a script answered."""

    def __init__(self, words: str) -> None:
        super().__init__(f"no shell answered: {words}", "no-shell")
        self.words = words


class Round(msgspec.Struct):
    """What a round gave, and whether the shell can take another one."""

    told: Told
    alive: bool
    reason: str = ""


class Session:
    """One shell. `command` is what the login shell is asked to run."""

    def __init__(self, transport: Transport, command: str = PLAIN) -> None:
        self._nonce = new_nonce()
        self._begun = False
        self._channel = _begin(transport, command)

    def close(self) -> None:
        with suppress(EOFError, OSError):
            self._channel.close()

    def ask(self, asks: Sequence[Ask], *, apart: bool = False) -> Round:
        """Answer these asks as far as that goes. Raises `NoShell` where the first round meets no shell."""
        script = compose(asks, self._nonce, apart=apart)
        sent = time.time()
        stream = _Stream(self._channel, self._nonce, first=not self._begun)
        try:
            self._channel.settimeout(_silence(script))
            self._channel.sendall((start(self._nonce) * (not self._begun) + script.text).encode())
            ended = stream.collect(script)
        except (OSError, EOFError) as problem:
            ended = f"the connection broke off: {problem or type(problem).__name__}"
        if not self._begun and not stream.greeted:
            raise NoShell(stream.said() or ended)
        self._begun = True
        timing = Timing(sent, stream.first_at or time.time())
        told = read_answers(script, bytes(stream.output), bytes(stream.errors), timing)
        return Round(told, not ended, ended)


class _Stream:
    """The answer to one round as it arrives."""

    def __init__(self, channel: Channel, nonce: str, *, first: bool) -> None:
        self._channel = channel
        self._go = f"\n{nonce} go\n".encode()
        self._end = f"\n{nonce} end\n".encode()
        self._mark = f"\n{nonce} 0 ".encode()
        self.greeted = not first
        self.first_at = 0.0
        self.output, self.errors = bytearray(), bytearray()

    def collect(self, script: Script) -> str:
        """Read to the end of the round; the answer is empty, or why it ended before that."""
        silence = _silence(script)
        deadline = (
            time.monotonic() + sum(LONG_S if part.long else SHORT_S for part in script.sections) + silence
        )
        heard = time.monotonic()
        self._channel.settimeout(0.25)
        while True:
            try:
                data = self._channel.recv(1 << 16)
            except TimeoutError:
                data = None
            self._drain()
            now = time.monotonic()
            if data == b"":
                return "the shell ended before it had answered"
            if data:
                heard = now
                self._take(data)
                if self.output.endswith(self._end):
                    return ""
                if len(self.output) > OUTPUT_LIMIT:
                    return f"it sent more than {OUTPUT_LIMIT // 1048576} MiB"
            if not self.greeted and now - heard > CONNECT_S:
                return f"nothing came back for {CONNECT_S:g} s"
            if now - heard > silence or now > deadline:
                return f"nothing more came back for {now - heard:.0f} s"

    def said(self) -> str:
        """What came instead of an answer: the last line of it."""
        text = (bytes(self.errors) or bytes(self.output)).decode(errors="replace").strip()
        return text.splitlines()[-1].strip()[:200] if text else ""

    def _take(self, data: bytes) -> None:
        self.output += data
        if not self.greeted:
            _, go, rest = bytes(self.output).partition(self._go)
            if not go:
                return
            self.greeted = True
            self.output = bytearray(rest)
        if not self.first_at and self._mark in self.output:
            self.first_at = time.time()

    def _drain(self) -> None:
        """Standard error shares the channel's window: left unread it would stop everything."""
        while self._channel.recv_stderr_ready():
            part = self._channel.recv_stderr(1 << 16)
            if not part:
                return
            self.errors += part[: max(0, ERROR_LIMIT - len(self.errors))]


def _silence(script: Script) -> float:
    """Seconds that nothing may come back in: the time of the longest section, and some grace."""
    return (LONG_S if any(part.long for part in script.sections) else SHORT_S) + GRACE_S


def _begin(transport: Transport, command: str) -> Channel:
    """A channel that runs a command.

    The request wants no answer, which would cost a round trip: a refusal shows as a channel without a shell.
    """
    from paramiko import Message, SSHException
    from paramiko.common import cMSG_CHANNEL_REQUEST

    try:
        channel = transport.open_session(timeout=CONNECT_S)
        request = Message()
        request.add_byte(cMSG_CHANNEL_REQUEST)
        request.add_int(channel.remote_chanid)
        request.add_string("exec")
        request.add_boolean(False)
        request.add_string(command)
        transport._send_user_message(request)  # type: ignore[attr-defined]
    except (SSHException, EOFError, OSError) as problem:
        raise NoShell(f"the server opens no session: {problem or type(problem).__name__}") from problem
    return channel
