"""A shell with root's rights on the far side: one script or one file a channel, and its answer between marks.

Nothing is asked of the login shell but to become another program, by words that sh, csh and fish read alike.
Scripts travel over standard input, so that nothing they hold is seen in a process list.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from paramiko import SSHException

from agent.targets.channels import open_session
from agent.targets.connection import CONNECT_S
from checks.errors import BadInput, FirstlightError, Unreachable
from checks.facts.shell import new_nonce
from checks.secret import NONE, Secret

if TYPE_CHECKING:
    from paramiko import Channel, Transport

PIECE: Final = 1 << 16
OUTPUT_LIMIT: Final = 8 * 1024 * 1024
SHORT_S: Final = 60.0
LONG_S: Final = 900.0
"""Seconds that a script may be silent: an ordinary one, and one that unpacks or checks."""

SILENCES: Final = 4
"""A script that is never silent for so long ends all the same, after so many times that span."""

SUDO: Final = "sudo -n "
SUDO_WITH_PASSWORD: Final = "sudo -k -S -p '' "
"""-k has sudo ask whatever it remembers: a password that nobody read would be the script's first line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script said and ended with."""

    code: int
    out: str
    err: str

    @property
    def values(self) -> dict[str, str]:
        """Its lines ``name=value``."""
        pairs = (line.partition("=") for line in self.out.splitlines())
        return {name: value for name, mark, value in pairs if mark}

    def complaint(self) -> str:
        """The last thing it said, as one line."""
        said = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        return (said[-1] if said else f"it ended with {self.code} and without a word")[:300]


class RootShell:
    """Runs scripts as root: as it is for root's own login, else through sudo."""

    def __init__(self, transport: Transport, user: str, sudo_password: Secret | None = None) -> None:
        self._transport, self._user = transport, user
        self._prefix, self._password = "", NONE
        if user != "root":
            self._become_root(sudo_password)

    def _become_root(self, password: Secret | None) -> None:
        """Find the way that sudo works here. Raises `BadInput` with what would allow it."""
        self._prefix = SUDO
        with suppress(FirstlightError):
            if self.run("id -u").out.strip() == "0":
                return
        if password is None:
            raise BadInput(
                f"{self._user} may not become root there without a password: give it with --sudo-password, "
                f"or allow it in /etc/sudoers.d/firstlight-deploy: {self._user} ALL=(root) NOPASSWD: ALL"
            )
        self._prefix, self._password = SUDO_WITH_PASSWORD, password
        try:
            found = self.run("id -u").out.strip()
        except FirstlightError as problem:
            raise BadInput(f"sudo did not let {self._user} become root: {problem}") from problem
        if found != "0":
            raise BadInput(f"sudo made {self._user} the user {found}, and not root")

    def run(self, script: str, *, silence_s: float = SHORT_S) -> Answer:
        """Run a POSIX script. A status other than 0 is the caller's matter.

        Raises `FirstlightError` where no shell answered or it went silent, `Unreachable` where the connection
        is lost.
        """
        nonce = new_nonce()
        text = (
            f"LC_ALL=C; export LC_ALL\necho; echo {nonce} begin\n"
            f"(\n{script}\n)\ncode=$?; echo; echo {nonce} end $code\n"
        )
        with self._channel(f"exec {self._prefix}sh -s") as channel:
            with suppress(OSError):  # who takes no script may have said why
                channel.sendall(self._password_line() + text.encode())
                channel.shutdown_write()
            out, err = _listen(channel, silence_s)
        head, begun, rest = out.partition(f"\n{nonce} begin\n")
        body, ended, code = rest.rpartition(f"\n{nonce} end ")
        if not begun or not ended or not code.strip().isdecimal():
            said = self._password.scrubbed(Answer(-1, "" if begun else head, err).complaint())
            raise FirstlightError(f"no root shell answered: {said}" if not begun else f"it broke off: {said}")
        return Answer(int(code), body, err)

    def send(self, source: BinaryIO, path: str) -> Iterator[int]:
        """Write a file there, readable by root alone; yields the bytes sent so far.

        Raises `FirstlightError` where it cannot be written.
        """
        quoted = shlex.quote(path)
        if not path.startswith("/") or quoted != path:
            raise BadInput(f"{path}: only plain absolute paths can be written to")
        command = f"exec {self._prefix}sh -c 'umask 077; exec cat > {path}'"
        with self._channel(command) as channel:
            sent = 0
            try:
                channel.sendall(self._password_line())
                while piece := source.read(PIECE):
                    channel.sendall(piece)
                    sent += len(piece)
                    yield sent
                channel.shutdown_write()
            except OSError as problem:
                _, err = _listen(channel, CONNECT_S)
                raise FirstlightError(f"{path}: {Answer(-1, '', err).complaint()}") from problem
            _, err = _listen(channel, SHORT_S)
            if channel.recv_exit_status() != 0:
                raise FirstlightError(f"{path} was not written: {Answer(-1, '', err).complaint()}")

    def _password_line(self) -> bytes:
        """What sudo reads before the script does; nothing where it asks for none."""
        return self._password.reveal().encode() + b"\n" if self._password else b""

    def _channel(self, command: str) -> _Open:
        return _Open(self._transport, command)


class _Open:
    """A channel that runs a command, closed at the end of the block."""

    def __init__(self, transport: Transport, command: str) -> None:
        self._transport, self._command = transport, command

    def __enter__(self) -> Channel:
        try:
            self._made = open_session(self._transport, CONNECT_S)
            self._made.settimeout(SHORT_S)
            self._made.exec_command(self._command)
        except (SSHException, EOFError, OSError) as problem:
            raise Unreachable(f"the connection takes no command: {problem}", "lost") from problem
        return self._made

    def __exit__(self, *_: object) -> None:
        with suppress(EOFError, OSError):
            self._made.close()


def _listen(channel: Channel, silence_s: float) -> tuple[str, str]:
    """All that comes until the other side ends; standard output and standard error."""
    out, err = bytearray(), bytearray()
    began = heard = time.monotonic()
    channel.settimeout(0.25)
    while True:
        got = False
        while channel.recv_stderr_ready():
            err += channel.recv_stderr(PIECE)
            got = True
        try:
            data = channel.recv(PIECE)
        except TimeoutError:
            data = None
        if data == b"":
            while channel.recv_stderr_ready():
                err += channel.recv_stderr(PIECE)
            break
        if data:
            out += data
            got = True
        if len(out) + len(err) > OUTPUT_LIMIT:
            raise FirstlightError(f"the other side sent more than {OUTPUT_LIMIT // 1048576} MiB")
        if time.monotonic() - began > SILENCES * silence_s:
            raise FirstlightError(f"the other side came to no end in {SILENCES * silence_s:g} s")
        if got:
            heard = time.monotonic()
        elif time.monotonic() - heard > silence_s:
            raise FirstlightError(f"the other side was silent for {silence_s:g} s")
    return out.decode(errors="replace"), err.decode(errors="replace")
