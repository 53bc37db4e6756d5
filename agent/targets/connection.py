"""One SSH connection: reached, its host key checked, logged in; every way to fail has a cause and one line.

Host keys are strict. A host that is not known is refused with its fingerprint and the command that trusts
it, unless new keys are accepted for first contact; a changed or revoked key is always refused.
"""

from __future__ import annotations

import base64
import socket
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import paramiko
from paramiko import ChannelException, SSHException, Transport

from agent.targets import hostkeys
from agent.targets.channels import open_forward
from agent.targets.credentials import Credentials
from agent.targets.login import log_in
from agent.targets.route import Route
from checks.errors import BadInput, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable

CONNECT_S: Final = 10.0
"""Seconds for the TCP connect, for the greeting and key exchange, and for the login, each."""

# Cheapest first; all of them are modern. A post-quantum exchange comes next and costs a little more.
_KEX_FIRST: Final = ("curve25519-sha256@libssh.org", "ecdh-sha2-nistp256")

_REFUSALS: Final = {
    "connection refused": "refused",
    "connection timed out": "timeout",
    "no route to host": "no-route",
    "network is unreachable": "no-route",
    "name or service not known": "dns",
    "temporary failure in name resolution": "dns",
    "nodename nor servname provided": "dns",
    "no address associated with hostname": "dns",
}
"""What sshd says of a forwarded connection that failed, and the cause that it means."""


class Dialer:
    """Makes the connections of a run; jump hosts that several targets share are connected to once."""

    def __init__(self, credentials: Credentials, *, accept_new: bool = False) -> None:
        self.credentials, self.accept_new = credentials, accept_new
        self._jumps: dict[tuple[Route, ...], Transport] = {}
        self._lost: dict[tuple[Route, ...], Unreachable] = {}
        self._lock = threading.Lock()
        self._locks: dict[tuple[Route, ...], threading.Lock] = {}

    def dial(self, route: Route) -> Transport:
        """A connection, logged in. Raises `Unreachable` with one of the causes dns, refused, timeout,
        no-route, host-key, authentication, denied, not-ssh, lost, failed."""
        through = self._through(route.jumps, route.trust_command) if route.jumps else None
        return self._connect(route, through, route.jumps[-1:], route.trust_command)

    def host_key(self, route: Route) -> tuple[str, str]:
        """The type and key (base64) that a host shows, without logging in there. Raises `Unreachable`."""
        through = self._through(route.jumps, route.trust_command) if route.jumps else None
        transport = paramiko.Transport(_link(route, through, route.jumps[-1:]))
        try:
            return _exchange(transport, route, hostkeys.known(route.known_hosts, route.key_name))
        finally:
            transport.close()

    def close(self) -> None:
        """Close the connections to jump hosts and to the ssh-agent."""
        with self._lock:
            jumps, self._jumps = list(self._jumps.values()), {}
        for transport in reversed(jumps):
            transport.close()
        self.credentials.close()

    def _through(self, jumps: tuple[Route, ...], trust: str) -> Transport:
        """The connection to the last of these jump hosts. One that could not be had is not tried again: each
        of its targets would wait for it in turn."""
        with self._lock:
            lock = self._locks.setdefault(jumps, threading.Lock())
        with lock:
            held = self._jumps.get(jumps)
            if held is not None and held.is_active():
                return held
            if jumps in self._lost:
                raise self._lost[jumps]
            before = self._through(jumps[:-1], trust) if jumps[:-1] else None
            try:
                made = self._connect(jumps[-1], before, jumps[-2:-1], trust)
            except Unreachable as problem:
                said = Unreachable(f"jump host {jumps[-1].name}: {problem}", problem.cause)
                self._lost[jumps] = said
                raise said from problem
            with self._lock:
                self._jumps[jumps] = made
            return made

    def _connect(
        self, route: Route, through: Transport | None, jump: tuple[Route, ...], trust: str
    ) -> Transport:
        transport = paramiko.Transport(_link(route, through, jump))
        trusted = hostkeys.known(route.known_hosts, route.key_name)
        try:
            self._check(route, trusted, *_exchange(transport, route, trusted), trust)
            log_in(transport, route, self.credentials, CONNECT_S)
        except BaseException:
            transport.close()
            raise
        return transport

    def _check(self, route: Route, trusted: hostkeys.Known, kind: str, key: str, trust: str) -> None:
        if self.accept_new and not trusted.keys and key not in trusted.revoked:
            try:
                trusted = hostkeys.learn(route.known_hosts, route.learns_in, route.key_name, kind, key)
            except BadInput as problem:
                raise Unreachable(str(problem), "host-key") from problem
        refusal = hostkeys.refusal(trusted, route.key_name, kind, key, trust)
        if refusal:
            raise Unreachable(refusal, "host-key")


def _link(route: Route, through: Transport | None, jump: tuple[Route, ...]) -> Any:
    if through is None:
        return _socket(route.host, route.port)
    return _forwarded(route, through, jump[0].name)


def _exchange(transport: Transport, route: Route, trusted: hostkeys.Known) -> tuple[str, str]:
    """Exchange keys; the type and key (base64) that the host showed, not yet judged."""
    options = transport.get_security_options()
    options.kex = _first(options.kex, _KEX_FIRST)
    options.key_types = _first(options.key_types, _as_algorithms(trusted.keys))
    # Longer than what is waited for here, so that it is always known which of them ran out.
    transport.banner_timeout = transport.handshake_timeout = 2 * CONNECT_S
    deadline = monotonic() + CONNECT_S
    try:
        transport.start_client(timeout=CONNECT_S)
        key = transport.get_remote_server_key()
    except (SSHException, EOFError, OSError) as problem:
        raise _no_exchange(route, transport, problem, late=monotonic() >= deadline) from problem
    return key.get_name(), base64.b64encode(key.asbytes()).decode()


def cause_of(words: str) -> str:
    """The cause that an error message of a connect means; ``failed`` where it is none that is known."""
    lowered = words.lower()
    return next((cause for said, cause in _REFUSALS.items() if said in lowered), "failed")


class _Prompt(socket.socket):
    """A socket that acknowledges what it reads at once.

    sshd sends with Nagle's algorithm: its second small packet in a row waits for the acknowledgement of the
    first, which Linux delays by 40 ms (tcp(7), TCP_QUICKACK) unless it is told otherwise after every read.
    """

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = super().recv(size, flags)
        if hasattr(socket, "TCP_QUICKACK"):
            with suppress(OSError):
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data


def _socket(host: str, port: int) -> socket.socket:
    """A connected socket with Nagle's algorithm off, which would hold small packets back for an answer."""
    deadline = monotonic() + CONNECT_S
    found = _resolved(host, port)
    last: OSError | None = None
    for at, (family, kind, protocol, _, address) in enumerate(found):
        link = _Prompt(family, kind, protocol)
        try:
            link.settimeout(max(0.1, (deadline - monotonic()) / (len(found) - at)))
            link.connect(address)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.settimeout(None)
        except OSError as problem:
            link.close()
            last = problem
        else:
            return link
    if isinstance(last, TimeoutError):
        raise Unreachable(f"{host}:{port} did not answer within {CONNECT_S:g} s", "timeout") from last
    words = _words(last)
    raise Unreachable(f"{host}:{port}: {words}", cause_of(words)) from last


def _resolved(host: str, port: int) -> list[Any]:
    """The addresses of a host. The system's resolver cannot be stopped; one that is slow is left behind."""
    with suppress(OSError, UnicodeError):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    found: list[list[Any] | OSError | UnicodeError] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as problem:
            found.append(problem)

    resolver = threading.Thread(target=look_up, name=f"resolve {host}", daemon=True)
    resolver.start()
    resolver.join(CONNECT_S)
    if not found:
        raise Unreachable(f"the name {host} is not known: no answer within {CONNECT_S:g} s", "dns")
    if isinstance(found[0], list):
        return found[0]
    words = getattr(found[0], "strerror", None) or "not a host name"
    raise Unreachable(f"the name {host} is not known: {words}", "dns") from found[0]


def _forwarded(route: Route, through: Transport, jump: str) -> paramiko.Channel:
    way = f"{route.host}:{route.port} through jump host {jump}"
    try:
        return open_forward(through, route.host, route.port, CONNECT_S)
    except ChannelException as problem:
        if problem.code == 1:
            words = "it forwards no connections there (AllowTcpForwarding, PermitOpen)"
            raise Unreachable(f"{way}: {words}", "denied") from problem
        raise Unreachable(f"{way}: {problem.text}", cause_of(problem.text)) from problem
    except (SSHException, EOFError, OSError) as problem:
        if through.is_active() and "timeout" in str(problem).lower():
            raise Unreachable(f"{way}: no answer within {CONNECT_S:g} s", "timeout") from problem
        raise Unreachable(f"{way}: the connection to it broke off", "lost") from problem


def _no_exchange(route: Route, transport: Transport, problem: BaseException, *, late: bool) -> Unreachable:
    """Why there is no SSH connection, by how far it came."""
    place, words = f"{route.host}:{route.port}", _words(problem)
    greeted = bool(transport.remote_version)
    if late:
        what = "finish the key exchange" if greeted else "say that it is an SSH server"
        return Unreachable(
            f"{place} accepted the connection and did not {what} within {CONNECT_S:g} s", "timeout"
        )
    if isinstance(problem if greeted else problem.__context__ or problem, EOFError | ConnectionError):
        if greeted:
            return Unreachable(f"{place}: the connection broke off in the key exchange", "lost")
        return Unreachable(
            f"{place} closed the connection before it said that it is an SSH server", "refused"
        )
    if not greeted:
        return Unreachable(f"{place} answers, but not as an SSH server", "not-ssh")
    return Unreachable(f"{place}: no SSH connection: {words}", "failed")


def _words(problem: BaseException | None) -> str:
    words = getattr(problem, "strerror", None) or str(problem or "")
    return words or type(problem).__name__


def _first(all_of: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """The same with those that are wanted put first, in their order."""
    known = tuple(all_of)
    front = [name for name in wanted if name in known]
    return (*front, *(name for name in known if name not in front))


def _as_algorithms(kinds: Iterable[str]) -> list[str]:
    """Signature algorithms of key types: an ``ssh-rsa`` key signs with SHA-2."""
    found: list[str] = []
    for kind in kinds:
        found += ["rsa-sha2-512", "rsa-sha2-256"] if kind == "ssh-rsa" else [kind]
    return found
