"""TCP from a target's side, through the SSH connection to it (direct-tcpip, RFC 4254 7.2).

The far sshd resolves the name and makes the connect. Its words tell refused, timeout, no route and unknown
name apart; the time it took includes the way to the target and back.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

from paramiko import ChannelException, SSHException

from agent.targets.channels import open_forward
from agent.targets.connection import cause_of
from checks.fact import NotReadable
from checks.facts.answered import Failed
from checks.facts.asks import Ask, Connect, Talk
from checks.facts.dial import NotConnected
from checks.facts.network import Connection, Outcome

if TYPE_CHECKING:
    from paramiko import Channel, Transport

PIECE: Final = 32 * 1024
PROHIBITED: Final = 1
"""The reason code of a server that forwards nothing, or not to there (RFC 4254 5.1)."""


class TunnelDialer:
    """Dials from the far side of an SSH connection (`checks.facts.dial.Dialer`)."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        near, far = socket.socketpair()
        try:
            channel = self._open(host, port, timeout)
        except BaseException:
            near.close()
            far.close()
            raise
        near.settimeout(timeout)
        _pump(far, channel)
        return near

    @contextmanager
    def address(self, host: str, port: int, timeout: float) -> Iterator[tuple[str, int]]:
        """A port of this machine that takes one connection and no second one."""
        channel = self._open(host, port, timeout)
        listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        listener.settimeout(timeout)

        def take() -> None:
            try:
                link, _ = listener.accept()
            except OSError:
                _end(channel)
            else:
                _pump(link, channel)
            finally:
                listener.close()

        threading.Thread(target=take, name="forward", daemon=True).start()
        try:
            name, number = listener.getsockname()[:2]
            yield name, number
        finally:
            listener.close()
            _end(channel)

    def _open(self, host: str, port: int, timeout: float) -> Channel:
        opened = _opened(self._transport, host, port, timeout)
        if isinstance(opened, Connection):
            raise NotConnected(host, port, opened)
        if isinstance(opened, Failed):
            raise NotReadable(opened.reason, opened.cause)
        return opened[0]


def talk_through(transport: Transport, asks: Sequence[Connect | Talk], at_a_time: int) -> dict[Ask, object]:
    """What comes of each connect and conversation, some at a time, none waiting for another's timeout."""
    todo: SimpleQueue[Connect | Talk] = SimpleQueue()
    for ask in asks:
        todo.put(ask)
    found: dict[Ask, object] = {}

    def work() -> None:
        while True:
            try:
                ask = todo.get_nowait()
            except Empty:
                return
            found[ask] = _connect(transport, ask) if isinstance(ask, Connect) else _talk(transport, ask)

    workers = [
        threading.Thread(target=work, name="tunnel", daemon=True) for _ in range(min(at_a_time, len(asks)))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


def _talk(transport: Transport, ask: Talk) -> object:
    try:
        return ask.talk(TunnelDialer(transport))
    except Exception as problem:  # noqa: BLE001 - the border: a conversation may be anyone's, the others go on
        if not transport.is_active():
            return Failed(f"the SSH connection broke off: {problem or type(problem).__name__}", "lost")
        if isinstance(problem, NotReadable):
            return Failed(problem.reason, problem.cause)
        return Failed(f"{type(problem).__name__}: {problem}"[:1000])


def _connect(transport: Transport, ask: Connect) -> Connection | Failed:
    opened = _opened(transport, ask.host, int(ask.port), float(ask.timeout))
    if not isinstance(opened, tuple):
        return opened
    _end(opened[0])
    return opened[1]


def _opened(
    transport: Transport, host: str, port: int, timeout: float
) -> tuple[Channel, Connection] | Connection | Failed:
    """The channel with how long it took, or what came of it instead."""
    began = monotonic()
    try:
        channel = open_forward(transport, host, port, timeout)
    except ChannelException as problem:
        if problem.code == PROHIBITED:
            return Failed(
                "needs: the SSH server has to forward connections (AllowTcpForwarding, PermitOpen), "
                f"it refuses one to {host}:{port}",
                "denied",
            )
        took = round((monotonic() - began) * 1000, 3)
        return Connection(cast("Outcome", cause_of(problem.text)), took, "", problem.text)
    except (SSHException, EOFError, OSError) as problem:
        if transport.is_active() and "timeout" in str(problem).lower():
            return Connection("timeout", round(timeout * 1000, 3), "", f"no answer within {timeout:g} s")
        return Failed(f"the SSH connection broke off: {problem or type(problem).__name__}", "lost")
    return channel, Connection("connected", round((monotonic() - began) * 1000, 3))


def _end(channel: Channel) -> None:
    """Close a channel; where the connection is gone already it cannot say so any more, and need not."""
    with suppress(OSError, EOFError, SSHException):
        channel.close()


def _pump(link: socket.socket, channel: Channel) -> None:
    """Carry bytes both ways until either side has ended; two threads that end with what they carry."""

    def there() -> None:
        try:
            while data := link.recv(PIECE):
                channel.sendall(data)
            channel.shutdown_write()
        except (OSError, EOFError, SSHException):
            _end(channel)

    def back() -> None:
        try:
            while data := channel.recv(PIECE):
                link.sendall(data)
            link.shutdown(socket.SHUT_WR)
        except (OSError, EOFError, SSHException):
            pass
        finally:
            outward.join()
            _end(channel)
            link.close()

    channel.settimeout(None)
    outward = threading.Thread(target=there, name="tunnel out", daemon=True)
    outward.start()
    threading.Thread(target=back, name="tunnel in", daemon=True).start()
