"""Networks as they are in the field, on loopback: servers that say nothing or nonsense, and a slow, cut line.

Each runs an event loop on a thread of its own. Python's threads take turns, so where a delay is to be
measured to the millisecond, run the relay in another process than what it delays.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
import struct
import threading
from collections import deque
from collections.abc import Coroutine, Iterator
from types import TracebackType
from typing import Any, Self, cast

IN_FLIGHT_BYTES = 8 * 2**20
"""What one direction of a connection holds before the sender has to wait: more than 1 Gbit/s over 60 ms."""

_EOF, _RESET = b"", None


class Loopback:
    """Listens at `host`:`port` between `with` and its end, `says` one thing to each, and maybe `closes`."""

    def __init__(self, listen: str = "127.0.0.1", says: bytes = b"", closes: bool = False) -> None:
        self.says, self.closes = says, closes
        self.host = listen
        self.port = 0
        self.count = 0
        # epoll rounds every wait up to a whole millisecond; select does not.
        self.loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        self.ends: set[_End] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self.loop.run_forever, name="loopback", daemon=True)

    def new_end(self) -> _End:
        """What talks to one who connects."""
        return _End(self)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._do(self._close())
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(30)
            self.loop.close()

    def cut(self) -> None:
        """Reset every connection at once (RST), and return when that is done; new ones are welcome."""
        self._do(self._reset())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    async def _listen(self) -> None:
        self._server = await self.loop.create_server(self.new_end, self.host, 0, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        others = asyncio.all_tasks() - {cast("asyncio.Task[None]", asyncio.current_task())}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._reset()
        await self.loop.shutdown_default_executor()

    async def _reset(self) -> None:
        ends = list(self.ends)
        for end in ends:
            end.reset()
        await asyncio.gather(*(end.gone for end in ends))


class _End(asyncio.Protocol):
    """One end of one connection; as it is, it takes what comes and does not answer."""

    transport: asyncio.Transport

    def __init__(self, owner: Loopback) -> None:
        self.owner = owner
        self.gone: asyncio.Future[None] = owner.loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.owner.ends.add(self)
        self.accepted()

    def accepted(self) -> None:
        self.owner.count += 1
        self.transport.write(self.owner.says)
        if self.owner.closes:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.owner.ends.discard(self)
        self.gone.set_result(None)

    def reset(self) -> None:
        """Close without waiting for anything: the other side reads ECONNRESET."""
        with contextlib.suppress(OSError):
            self._socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _socket(self) -> socket.socket:
        return cast(socket.socket, self.transport.get_extra_info("socket"))


@contextlib.contextmanager
def silent_server(listen: str = "127.0.0.1") -> Iterator[Loopback]:
    """Accepts and never says a word."""
    with Loopback(listen) as server:
        yield server


@contextlib.contextmanager
def garbage_server(
    says: bytes = b"\x15\x03\x01\x00\x02\x02\x46\x00\xff garbage\r\n", listen: str = "127.0.0.1"
) -> Iterator[Loopback]:
    """Says what is no SSH banner (a TLS alert and then some), and keeps the connection open."""
    with Loopback(listen, says) as server:
        yield server


@contextlib.contextmanager
def closing_server(listen: str = "127.0.0.1") -> Iterator[Loopback]:
    """Accepts and closes at once."""
    with Loopback(listen, closes=True) as server:
        yield server


class Relay(Loopback):
    """Forwards to a target, each direction `delay_s` seconds later, in order and at full throughput.

    A round trip takes 2 * `delay_s` more. The kernel here accepts at once, so the connection onwards is
    made three delays later: the first bytes then come as late as a real handshake would let them.
    """

    def __init__(
        self, target_host: str, target_port: int, delay_s: float = 0.0, *, listen: str = "127.0.0.1"
    ) -> None:
        super().__init__(listen)
        self.target = (target_host, target_port)
        self.delay_s = delay_s
        self.bytes_up = 0
        self.bytes_down = 0
        self.stalled = False
        self._onward: set[asyncio.Task[None]] = set()

    def new_end(self) -> _End:
        return _Near(self)

    def stall(self) -> None:
        """Forward nothing more, old connections and new; all stay open."""
        self._do(self._set_stalled(True))

    def resume(self) -> None:
        """Forward again, beginning with what has been held back."""
        self._do(self._set_stalled(False))

    async def _set_stalled(self, stalled: bool) -> None:
        self.stalled = stalled
        for end in list(self.ends):
            cast(_Half, end).release()

    def connect(self, near: _Near) -> None:
        """Begin the connection onwards for one who came."""
        task = self.loop.create_task(self._connect(near))
        self._onward.add(task)
        task.add_done_callback(self._onward.discard)

    async def _connect(self, near: _Near) -> None:
        await asyncio.sleep(3 * self.delay_s)
        try:
            await self.loop.create_connection(lambda: _Far(self, near), *self.target)
        except OSError:
            near.reset()


class _Half(_End):
    """One end of a relayed connection, and the line from it to the other end."""

    owner: Relay

    def __init__(self, owner: Relay) -> None:
        super().__init__(owner)
        self.other: _Half | None = None
        self.ended = False
        self.full = False  # the other end's socket takes no more for now
        self._line: deque[tuple[float, bytes | None]] = deque()
        self._held = 0
        self._timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        self._held += len(data)
        if self._held >= IN_FLIGHT_BYTES:
            self.transport.pause_reading()
        self._put(data)

    def eof_received(self) -> bool:
        self._put(_EOF)
        return True  # the other direction may have more to say

    def _put(self, data: bytes | None) -> None:
        self._line.append((self.owner.loop.time() + self.owner.delay_s, data))
        if self._timer is None:
            self.release()

    def release(self) -> None:
        """Hand on what is due, and come back for the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        other = self.other
        if other is None or other.gone.done():
            return
        while self._line and not self.owner.stalled and not self.full:
            due, data = self._line[0]
            if due > self.owner.loop.time():
                self._timer = self.owner.loop.call_at(due, self.release)
                return
            self._line.popleft()
            if data is _RESET:
                other.reset()
                return
            if data == _EOF:
                self._hand_on_eof(other)
                continue
            self._held -= len(data)
            self.counted(len(data))
            other.transport.write(data)
        if self._held < IN_FLIGHT_BYTES:
            self.transport.resume_reading()

    def _hand_on_eof(self, other: _Half) -> None:
        self.ended = True
        if other.ended:  # both have said all
            other.transport.close()
            self.transport.close()
        elif other.transport.can_write_eof():
            other.transport.write_eof()

    def counted(self, size: int) -> None:
        raise NotImplementedError

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.full = True

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.full = False
            self.other.release()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if error is not None or not self.ended:
            self._put(_RESET)  # behind what is on its way


class _Near(_Half):
    """The end towards who connected."""

    def accepted(self) -> None:
        super().accepted()
        self.owner.connect(self)

    def counted(self, size: int) -> None:
        self.owner.bytes_up += size


class _Far(_Half):
    """The end towards the target."""

    def __init__(self, owner: Relay, near: _Near) -> None:
        super().__init__(owner)
        self.near = near

    def accepted(self) -> None:
        if self.near.gone.done():
            self.reset()
            return
        self.other, self.near.other = self.near, self
        self.near.release()

    def counted(self, size: int) -> None:
        self.owner.bytes_down += size
