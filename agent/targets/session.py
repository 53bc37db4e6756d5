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
from paramiko import SSHException

from agent.targets.channels import open_session
from agent.targets.connection import CONNECT_S
from checks.errors import Unreachable
from checks.facts.shell import Script, compose, new_nonce, start
from checks.facts.shell_answers import Told, read_answers
from checks.facts.shell_tables import Timing

if TYPE_CHECKING:
    from paramiko import Channel, Transport

    from checks.facts.asks import Ask

PLAIN: Final = "exec sh -s"
AS_ROOT: Final = "exec sudo -n sh -s"

OUTPUT_LIMIT: Final = 64 * 1024 * 1024
ERROR_LIMIT: Final = 256 * 1024
GRACE_S: Final = 5.0
"""How much longer than its watchdog a round may be silent: two seconds to see a stuck child, and the way."""
STRAGGLING_S: Final = 2.0
"""How long the end of standard error may come after that of standard output."""


class NoShell(Unreachable):
    """The login worked, but nothing that can read a script answered."""

    def __init__(self, words: str) -> None:
        super().__init__(f"no shell answered: {words}", "no-shell")
        self.words = words


class NoSession(NoShell):
    """The server lets no further session in (MaxSessions)."""


class Round(msgspec.Struct):
    """What a round gave; `reason` and `cause` say why the shell can take no more, and are empty if it can."""

    told: Told
    reason: str = ""
    cause: str = ""


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
        """Answer these asks as far as that goes.

        Raises `NoShell` where the first round meets no shell, `Unreachable` (lost) where it loses the
        connection before that can be told.
        """
        script = compose(asks, self._nonce, apart=apart)
        text = start(self._nonce) * (not self._begun) + script.text
        sent = time.time()
        stream = _Stream(self._channel, self._nonce, first=not self._begun)
        try:
            self._channel.settimeout(_silence(script))
            with suppress(OSError):  # who takes no script may have said why, which is read next
                self._channel.sendall(text.encode(errors="surrogateescape"))
            ended = stream.collect(script)
        except (OSError, EOFError, SSHException) as problem:
            ended = f"the connection broke off: {problem or type(problem).__name__}"
        if not self._begun and not stream.greeted:
            if not self._channel.get_transport().is_active():
                raise Unreachable("the connection broke off before a shell answered", "lost")
            raise NoShell(stream.said() or ended)
        self._begun = True
        timing = Timing(sent, stream.first_at or time.time())
        told = read_answers(script, bytes(stream.output), bytes(stream.errors), timing)
        return Round(told, ended, ended and ("timeout" if stream.silent else "lost"))


class _Stream:
    """The answer to one round as it arrives."""

    def __init__(self, channel: Channel, nonce: str, *, first: bool) -> None:
        self._channel = channel
        self._go = f"\n{nonce} go\n".encode()
        self._end = f"\n{nonce} end\n".encode()
        self._first = f"\n{nonce} 0 ".encode()
        self._stuck = f"\n{nonce} stuck ".encode()
        self.greeted = not first
        self.silent = self.complained = False
        self.first_at = 0.0
        self.output, self.errors = bytearray(), bytearray()

    def collect(self, script: Script) -> str:
        """Read to the end of the round; the answer is empty, or why it ended before that."""
        silence = _silence(script)
        heard = time.monotonic()
        deadline = heard + sum(part.limit_s for part in script.sections) + silence
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
                    self._wait_for_errors()
                    return ""
                if self.greeted and self._seen(self._stuck, data):
                    return "what it waits for can not be ended"
                if len(self.output) > OUTPUT_LIMIT:
                    return f"it sent more than {OUTPUT_LIMIT // 1048576} MiB"
            patience = silence if self.greeted else CONNECT_S
            if now - heard > patience:
                self.silent = True
                return f"nothing {'more ' * self.greeted}came back for {patience:g} s"
            if now > deadline:
                return "it did not come to an end"

    def said(self) -> str:
        """What came instead of an answer: the last line of it."""
        text = bytes((self.errors or self.output)[-4096:]).decode(errors="replace").strip()
        return text.splitlines()[-1].strip()[:200] if text else ""

    def _take(self, data: bytes) -> None:
        self.output += data
        if not self.greeted:
            at = self.output.find(self._go, max(0, len(self.output) - len(data) - len(self._go)))
            if at < 0:
                return
            self.greeted = True
            del self.output[: at + len(self._go)]
        if not self.first_at and self._seen(self._first, data):
            self.first_at = time.time()

    def _seen(self, mark: bytes, data: bytes) -> bool:
        """Whether the output that has just come brought this mark. What came before is not searched again."""
        return self.output.find(mark, max(0, len(self.output) - len(data) - len(mark))) >= 0

    def _wait_for_errors(self) -> None:
        """The two streams are not in step: what was complained of may still be on its way."""
        deadline = time.monotonic() + STRAGGLING_S
        while not self.complained and time.monotonic() < deadline:
            if self._channel.closed and not self._channel.recv_stderr_ready():
                return
            time.sleep(0.001)
            self._drain()

    def _drain(self) -> None:
        """Standard error shares the channel's window: unread it would stop everything. Its end is kept.

        A flood of it is read in parts, or nothing else ever would be.
        """
        for _ in range(64):
            if not self._channel.recv_stderr_ready():
                return
            part = self._channel.recv_stderr(1 << 16)
            self.errors += part
            mark = self._end[1:]
            self.complained |= self.errors.find(mark, max(0, len(self.errors) - len(part) - len(mark))) >= 0
            if len(self.errors) > 2 * ERROR_LIMIT:
                del self.errors[:-ERROR_LIMIT]


def _silence(script: Script) -> float:
    """Seconds that nothing may come back in: the time of the slowest section, and some grace."""
    return script.longest_s + GRACE_S


def _begin(transport: Transport, command: str) -> Channel:
    """A channel that runs a command.

    The request wants no answer, which would cost a round trip: a refusal shows as a channel without a shell.
    """
    from paramiko import ChannelException, Message
    from paramiko.common import cMSG_CHANNEL_REQUEST

    try:
        channel = open_session(transport, CONNECT_S)
        request = Message()
        request.add_byte(cMSG_CHANNEL_REQUEST)
        request.add_int(channel.remote_chanid)
        request.add_string("exec")
        request.add_boolean(False)
        request.add_string(command)
        transport._send_user_message(request)  # type: ignore[attr-defined]
    except ChannelException as problem:
        raise NoSession(f"the server opens no session: {problem.text}") from problem
    except (SSHException, EOFError, OSError) as problem:
        if not transport.is_active():
            raise Unreachable("the connection broke off", "lost") from problem
        raise Unreachable(f"no session opened within {CONNECT_S:g} s", "timeout") from problem
    return channel
