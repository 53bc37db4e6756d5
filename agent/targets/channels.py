"""Channels on an SSH connection; where the server opens none, its own words say why.

paramiko keeps one exception for all of a connection, whoever waits for it, and none of the server's words
(`Transport.get_exception`). It logs them instead, where nobody looks for them.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from paramiko import Channel, ChannelException, SSHException, Transport
from paramiko.common import MSG_CHANNEL_OPEN_FAILURE

if TYPE_CHECKING:
    from paramiko import Message

# Whatever happens to a connection ends in a reading; said once more, in the midst of a report, it is noise.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

ORIGIN: Final = ("127.0.0.1", 0)


def open_session(transport: Transport, timeout: float) -> Channel:
    """A channel for a command. Raises `ChannelException` with the server's code and words, `SSHException`
    where no answer comes in `timeout` seconds, or EOFError or OSError where the connection is gone."""
    return _openings(transport).open("session", None, timeout)


def open_forward(transport: Transport, host: str, port: int, timeout: float) -> Channel:
    """A TCP connection from the far side (direct-tcpip, RFC 4254 7.2). Raises as `open_session` does."""
    return _openings(transport).open("direct-tcpip", (host, port), timeout)


class _Openings:
    """What was said of the channels of one connection that could not be opened, by their numbers."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._mine = threading.local()
        self._refused: dict[int, ChannelException] = {}
        self._next_number = self._transport._next_channel
        self._transport._next_channel = self._number
        self._transport._handler_table[MSG_CHANNEL_OPEN_FAILURE] = self._refuse

    def open(self, kind: str, to: tuple[str, int] | None, timeout: float) -> Channel:
        self._mine.number = -1
        try:
            channel: Channel = self._transport.open_channel(kind, to, to and ORIGIN, timeout=timeout)
        except SSHException as problem:
            refused = self._refused.pop(self._mine.number, None)
            if refused is not None:
                raise refused from problem
            raise
        return channel

    def _number(self) -> int:
        """The number of the channel that the calling thread is about to open."""
        number: int = self._next_number()
        self._mine.number = number
        return number

    def _refuse(self, message: Message) -> None:
        number, code, words = message.get_int(), message.get_int(), message.get_text()
        with self._transport.lock:
            event = self._transport.channel_events.pop(number, None)
            if event is not None:
                self._refused[number] = ChannelException(code, words)
                self._transport._channels.delete(number)
                event.set()


_NAME: Final = "firstlight_openings"
_finding = threading.Lock()


def _openings(transport: Transport) -> _Openings:
    with _finding:
        found: _Openings | None = getattr(transport, _NAME, None)
        if found is None:
            found = _Openings(transport)
            setattr(transport, _NAME, found)
        return found
