"""Servers that do what no server should, on 127.0.0.1: each connection is handed to a function of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import zlib
from collections.abc import Callable, Iterator

Serve = Callable[[socket.socket, threading.Event], None]


@contextlib.contextmanager
def serving(serve: Serve, address: str = "127.0.0.1") -> Iterator[int]:
    """The port; when this ends, all connections do."""
    over = threading.Event()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    workers: list[threading.Thread] = []

    def one(link: socket.socket) -> None:
        with link, contextlib.suppress(OSError):
            link.settimeout(10)
            serve(link, over)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = listener.accept()
                workers.append(threading.Thread(target=one, args=(link,)))
                workers[-1].start()

    with socket.create_server((address, 0), family=family) as listener:
        taker = threading.Thread(target=accept)
        taker.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            taker.join(10)
            for worker in workers:
                worker.join(15)


def request(link: socket.socket) -> bytes:
    """The head of a request, read to its end."""
    got = b""
    while b"\r\n\r\n" not in got and (part := link.recv(4096)):
        got += part
    return got


def silent(link: socket.socket, over: threading.Event) -> None:
    """Takes the connection and says nothing."""
    over.wait(30)


def dripping(link: socket.socket, over: threading.Event) -> None:
    """Answers, one byte at a time."""
    request(link)
    link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not over.wait(0.05):
        link.sendall(b"x")


def dripping_head(link: socket.socket, over: threading.Event) -> None:
    """Begins a head, one byte at a time, of anything."""
    while not over.wait(0.05):
        link.sendall(b"H")


def endless_headers(link: socket.socket, over: threading.Event) -> None:
    request(link)
    link.sendall(b"HTTP/1.1 200 OK\r\n")
    while not over.is_set():
        link.sendall(b"X-More: and more\r\n" * 100)


def endless_line(link: socket.socket, over: threading.Event) -> None:
    request(link)
    link.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not over.is_set():
        link.sendall(b"x" * 65536)


def ever_on(link: socket.socket, over: threading.Event) -> None:
    """Redirects to a new place each time."""
    place = request(link).split(b" ")[1]
    head = b"HTTP/1.1 302 Found\r\nLocation: %sx\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    link.sendall(head % place)


def bomb(link: socket.socket, over: threading.Event) -> None:
    """A body of 200 KB that unpacks to 200 MB."""
    request(link)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(200)) + packer.flush()
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    link.sendall(head.encode() + packed)


def broken_gzip(link: socket.socket, over: threading.Event) -> None:
    request(link)
    link.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!")


def endless_body(link: socket.socket, over: threading.Event) -> None:
    request(link)
    link.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not over.is_set():
        link.sendall(b"x" * 65536)


def garbage(link: socket.socket, over: threading.Event) -> None:
    link.recv(4096)
    link.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" + bytes(range(256)))


def hanging_up(link: socket.socket, over: threading.Event) -> None:
    """Closes as soon as it was asked something."""
    link.recv(100)
