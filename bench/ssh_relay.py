"""A network of so many milliseconds in front of sshd: everything arrives late, and in order.

One process of its own (`ssh_relay.py ONE_WAY_MS FROM_PORT TO_PORT HOSTS`), so that it shares no interpreter
with what is measured; it prints one line once it listens. The first round trip, which a TCP handshake takes
and which the kernel here answers at once, is waited for as well. Throughput and losses are not imitated.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import sys
from functools import partial

CONNECTIONS: set[asyncio.Task[None] | None] = set()
"""Held here, because asyncio knows tasks and readers weakly: once one side has closed, nobody else does."""


async def serve(from_port: int, to_port: int, hosts: int, delay: float) -> None:
    for last in range(1, hosts + 1):
        address = f"127.0.0.{last}"
        await asyncio.start_server(partial(hold, address, to_port, delay), address, from_port, backlog=256)
    print("listening", flush=True)
    await asyncio.Event().wait()


async def hold(
    address: str, port: int, delay: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    task = asyncio.current_task()
    CONNECTIONS.add(task)
    try:
        await relay(address, port, delay, reader, writer)
    finally:
        CONNECTIONS.discard(task)


async def relay(
    address: str, port: int, delay: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One connection: SYN and SYN-ACK, then the ACK on its way, by which the server knows of it."""
    await asyncio.sleep(2 * delay)
    outward: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    reading = asyncio.create_task(take(reader, outward, delay))
    await asyncio.sleep(delay)
    inner_reader, inner_writer = await asyncio.open_connection(address, port)
    inward: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    await asyncio.gather(
        reading,
        give(outward, inner_writer),
        take(inner_reader, inward, delay),
        give(inward, writer),
    )
    for side in (writer, inner_writer):
        side.close()


async def take(reader: asyncio.StreamReader, line: asyncio.Queue[tuple[float, bytes]], delay: float) -> None:
    """Put what comes on the line, with the time it is due; an empty piece is the end."""
    clock = asyncio.get_running_loop().time
    data = b"?"
    while data:
        try:
            data = await reader.read(65536)
        except ConnectionError:
            data = b""
        line.put_nowait((clock() + delay, data))


async def give(line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    clock = asyncio.get_running_loop().time
    with contextlib.suppress(ConnectionError, OSError):
        while True:
            due, data = await line.get()
            await asyncio.sleep(due - clock())
            if not data:
                writer.write_eof()
                return
            writer.write(data)  # asyncio sets TCP_NODELAY: it leaves at once
            await writer.drain()


def main() -> None:
    one_way_ms, from_port, to_port, hosts = sys.argv[1:]
    # epoll rounds every wait up to whole milliseconds, select does not.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    with contextlib.suppress(KeyboardInterrupt):
        loop.run_until_complete(serve(int(from_port), int(to_port), int(hosts), float(one_way_ms) / 1000))


if __name__ == "__main__":
    main()
