"""From plain text to TLS: what each protocol says before the handshake begins.

Raises `NoTls` where the server offers none, and `NotReadable` where it does not speak that protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from checks.fact import NotReadable

if TYPE_CHECKING:
    import socket

Starttls = Literal["none", "smtp", "imap", "pop3", "ldap", "postgres", "mysql"]

LINE_LIMIT: Final = 8192
LINES: Final = 100
_LDAP_REQUEST: Final = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037"
_POSTGRES_REQUEST: Final = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_MYSQL_TLS: Final = 0x0800


class NoTls(Exception):
    """The server speaks the protocol and offers no TLS; the text says how that was told."""


def start_tls(protocol: str, link: socket.socket) -> None:
    """Ask for TLS; when this returns, the handshake is next on the wire. Bytes are read one message at a
    time, so that none of the handshake is swallowed."""
    ask = _PROTOCOLS.get(protocol)
    if ask is None:
        raise NotReadable(f"{protocol!r} is no protocol that TLS can be asked of", "unsupported")
    ask(link)


def _smtp(link: socket.socket) -> None:
    """RFC 3207."""
    _reply(link, "220", "SMTP")
    link.sendall(b"EHLO localhost\r\n")
    offered = _reply(link, "250", "SMTP")
    if not any(line[4:].strip().upper() == "STARTTLS" for line in offered):
        raise NoTls("the mail server does not offer STARTTLS")
    link.sendall(b"STARTTLS\r\n")
    _reply(link, "220", "SMTP")


def _imap(link: socket.socket) -> None:
    """RFC 3501 6.2.1."""
    if not _line(link).upper().startswith(("* OK", "* PREAUTH")):
        raise NotReadable("it does not speak IMAP", "parse")
    link.sendall(b"a STARTTLS\r\n")
    for _ in range(LINES):
        line = _line(link)
        if line.startswith("a "):
            if line[2:4].upper() != "OK":
                raise NoTls("the mail server refuses STARTTLS")
            return
    raise NotReadable("it does not speak IMAP", "parse")


def _pop3(link: socket.socket) -> None:
    """RFC 2595 4."""
    if not _line(link).startswith("+OK"):
        raise NotReadable("it does not speak POP3", "parse")
    link.sendall(b"STLS\r\n")
    if not _line(link).startswith("+OK"):
        raise NoTls("the mail server refuses STLS")


def _ldap(link: socket.socket) -> None:
    """RFC 4511 4.14; the answer is an ExtendedResponse, whose first element is its result code."""
    link.sendall(_LDAP_REQUEST)
    head = _exactly(link, 2)
    if head[0] != 0x30:
        raise NotReadable("it does not speak LDAP", "parse")
    length = head[1]
    if length & 0x80:
        count = length & 0x7F
        if not 0 < count < 4:
            raise NotReadable("it does not speak LDAP", "parse")
        length = int.from_bytes(_exactly(link, count), "big")
    if length > LINE_LIMIT:
        raise NotReadable("it does not speak LDAP", "parse")
    body = _exactly(link, length)
    at = body.find(b"\x0a\x01")
    if at < 0 or at + 2 >= len(body):
        raise NotReadable("it does not speak LDAP", "parse")
    if body[at + 2] != 0:
        raise NoTls(f"the directory refuses StartTLS (result {body[at + 2]})")


def _postgres(link: socket.socket) -> None:
    """SSLRequest; the answer is one byte."""
    link.sendall(_POSTGRES_REQUEST)
    answer = _exactly(link, 1)
    if answer == b"N":
        raise NoTls("the database offers no TLS (ssl = off)")
    if answer != b"S":
        raise NotReadable("it does not speak PostgreSQL's protocol", "parse")


def _mysql(link: socket.socket) -> None:
    """Protocol::HandshakeV10, and the SSLRequest packet in return."""
    head = _exactly(link, 4)
    length = int.from_bytes(head[:3], "little")
    if length > LINE_LIMIT:
        raise NotReadable("it does not speak MySQL's protocol", "parse")
    body = _exactly(link, length)
    end = body.find(b"\0", 1)
    flags = body[end + 14 : end + 16]
    if body[:1] != b"\x0a" or end < 0 or len(flags) < 2:
        raise NotReadable("it does not speak MySQL's protocol", "parse")
    if not int.from_bytes(flags, "little") & _MYSQL_TLS:
        raise NoTls("the database offers no TLS")
    wanted = (0x0001 | 0x0200 | _MYSQL_TLS | 0x8000).to_bytes(4, "little")
    packet = wanted + (1 << 24).to_bytes(4, "little") + b"\x21" + b"\0" * 23
    link.sendall(len(packet).to_bytes(3, "little") + bytes([(head[3] + 1) & 0xFF]) + packet)


def _reply(link: socket.socket, code: str, name: str) -> list[str]:
    """The lines of one reply: all but the last have a dash behind the code."""
    lines: list[str] = []
    for _ in range(LINES):
        line = _line(link)
        lines.append(line)
        if line[:3] != code:
            raise NotReadable(f"it does not speak {name}", "parse")
        if line[3:4] != "-":
            return lines
    raise NotReadable(f"it does not speak {name}", "parse")


def _line(link: socket.socket) -> str:
    got = b""
    while not got.endswith(b"\n"):
        got += _exactly(link, 1)
        if len(got) > LINE_LIMIT:
            raise NotReadable("it sends lines without end", "parse")
    return got.decode(errors="replace").rstrip("\r\n")


def _exactly(link: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        part = link.recv(count - len(got))
        if not part:
            raise NotReadable("it closed the connection before TLS began", "failed")
        got += part
    return got


_PROTOCOLS: Final[dict[str, Callable[[socket.socket], None]]] = {
    "none": lambda link: None,
    "smtp": _smtp,
    "imap": _imap,
    "pop3": _pop3,
    "ldap": _ldap,
    "postgres": _postgres,
    "mysql": _mysql,
}
