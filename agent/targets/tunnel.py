"""TCP connects made from a target's side, through the SSH connection to it (direct-tcpip, RFC 4254 7.2).

The far sshd resolves the name and makes the connect. Its words tell refused, timeout, no route and unknown
name apart; the time it took includes the way to the target and back.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

from paramiko import ChannelException, SSHException

from agent.targets.channels import open_forward
from agent.targets.connection import cause_of
from checks.facts.answered import Failed
from checks.facts.asks import Ask, Connect
from checks.facts.network import Connection, Outcome

if TYPE_CHECKING:
    from paramiko import Transport

PROHIBITED: Final = 1
"""The reason code of a server that forwards nothing, or not to there (RFC 4254 5.1)."""


def connect_through(
    transport: Transport, asks: Sequence[Connect], at_a_time: int
) -> dict[Ask, Connection | Failed]:
    """What comes of each connect, some at a time, none waiting for another's timeout."""
    todo: SimpleQueue[Connect] = SimpleQueue()
    for ask in asks:
        todo.put(ask)
    found: dict[Ask, Connection | Failed] = {}

    def work() -> None:
        while True:
            try:
                ask = todo.get_nowait()
            except Empty:
                return
            found[ask] = _connect(transport, ask)

    workers = [
        threading.Thread(target=work, name="tunnel", daemon=True) for _ in range(min(at_a_time, len(asks)))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


def _connect(transport: Transport, ask: Connect) -> Connection | Failed:
    timeout = float(ask.timeout)
    began = monotonic()
    try:
        channel = open_forward(transport, ask.host, int(ask.port), timeout)
    except ChannelException as problem:
        if problem.code == PROHIBITED:
            return Failed(
                "needs: the SSH server has to forward connections (AllowTcpForwarding, PermitOpen), "
                f"it refuses one to {ask.host}:{ask.port}",
                "denied",
            )
        took = round((monotonic() - began) * 1000, 3)
        return Connection(cast("Outcome", cause_of(problem.text)), took, "", problem.text)
    except (SSHException, EOFError, OSError) as problem:
        if transport.is_active() and "timeout" in str(problem).lower():
            return Connection("timeout", round(timeout * 1000, 3), "", f"no answer within {timeout:g} s")
        return Failed(f"the SSH connection broke off: {problem or type(problem).__name__}", "lost")
    took = round((monotonic() - began) * 1000, 3)
    channel.close()
    return Connection("connected", took)
