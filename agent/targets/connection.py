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
from paramiko import AuthenticationException, BadAuthenticationType, ChannelException, SSHException, Transport

from agent.targets import hostkeys
from agent.targets.credentials import Credentials
from agent.targets.route import Route
from checks.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable

CONNECT_S: Final = 10.0
"""Seconds for the TCP connect, for the greeting and key exchange, and for the login, each."""

MAX_KEYS: Final = 5
"""sshd closes a connection after six failed attempts (MaxAuthTries), of which a password needs one."""

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
        self._lock = threading.Lock()
        self._locks: dict[tuple[Route, ...], threading.Lock] = {}

    def dial(self, route: Route) -> Transport:
        """A connection, logged in. Raises `Unreachable` with one of the causes dns, refused, timeout,
        no-route, host-key, authentication, failed."""
        through = self._through(route.jumps) if route.jumps else None
        return self._connect(route, through)

    def host_key(self, route: Route) -> tuple[str, str]:
        """The type and key (base64) that a host shows, without logging in there. Raises `Unreachable`."""
        through = self._through(route.jumps) if route.jumps else None
        transport = paramiko.Transport(self._link(route, through))
        try:
            return self._exchange(transport, route, hostkeys.known(route.known_hosts, route.key_name))
        finally:
            transport.close()

    def close(self) -> None:
        with self._lock:
            jumps, self._jumps = list(self._jumps.values()), {}
        for transport in reversed(jumps):
            transport.close()

    def _through(self, jumps: tuple[Route, ...]) -> Transport:
        with self._lock:
            lock = self._locks.setdefault(jumps, threading.Lock())
        with lock:
            held = self._jumps.get(jumps)
            if held is not None and held.is_active():
                return held
            before = self._through(jumps[:-1]) if jumps[:-1] else None
            try:
                made = self._connect(jumps[-1], before)
            except Unreachable as problem:
                raise Unreachable(f"jump host {jumps[-1].name}: {problem}", problem.cause) from problem
            with self._lock:
                self._jumps[jumps] = made
            return made

    def _connect(self, route: Route, through: Transport | None) -> Transport:
        transport = paramiko.Transport(self._link(route, through))
        trusted = hostkeys.known(route.known_hosts, route.key_name)
        try:
            self._check(route, trusted, *self._exchange(transport, route, trusted))
            self._login(transport, route)
        except BaseException:
            transport.close()
            raise
        return transport

    @staticmethod
    def _link(route: Route, through: Transport | None) -> Any:
        return _forwarded(route, through) if through is not None else _socket(route.host, route.port)

    @staticmethod
    def _exchange(transport: Transport, route: Route, trusted: hostkeys.Known) -> tuple[str, str]:
        """Exchange keys; the type and key (base64) that the host showed, not yet judged."""
        options = transport.get_security_options()
        options.kex = _first(options.kex, _KEX_FIRST)
        options.key_types = _first(options.key_types, _as_algorithms(trusted.keys))
        transport.banner_timeout = transport.handshake_timeout = CONNECT_S
        try:
            transport.start_client(timeout=CONNECT_S)
            key = transport.get_remote_server_key()
        except (SSHException, EOFError, OSError) as problem:
            raise _no_exchange(route, problem) from problem
        return key.get_name(), base64.b64encode(key.asbytes()).decode()

    def _check(self, route: Route, trusted: hostkeys.Known, kind: str, key: str) -> None:
        shown = f"{kind} {hostkeys.fingerprint(key)}"
        if key in trusted.revoked:
            raise Unreachable(f"the host key of {route.key_name} is revoked: {shown}", "host-key")
        if trusted.accepts(kind, key):
            return
        if trusted.keys:
            other = ", ".join(
                f"{name} {hostkeys.fingerprint(each)}" for name, keys in trusted.keys.items() for each in keys
            )
            raise Unreachable(
                f"the host key of {route.key_name} has changed: it shows {shown}, known is {other}; it may "
                f"be another machine. Once you know why: ssh-keygen -R '{route.key_name}', then "
                f"firstlight trust {route.name}",
                "host-key",
            )
        if not self.accept_new:
            raise Unreachable(
                f"the host key of {route.key_name} is not known: {shown}; compare it with the machine's own, "
                f"then: firstlight trust {route.name}",
                "host-key",
            )
        hostkeys.add(route.known_hosts[0], route.key_name, kind, key)

    def _login(self, transport: Transport, route: Route) -> None:
        transport.auth_timeout = CONNECT_S
        tried: list[str] = []
        allowed: set[str] = {"publickey", "password", "keyboard-interactive"}
        try:
            for key in self.credentials.keys(route)[:MAX_KEYS]:
                if "publickey" not in allowed:
                    break
                tried.append(f"key {key.get_name()} {key.fingerprint}")
                try:
                    more = transport.auth_publickey(route.user, key)
                except BadAuthenticationType as problem:
                    allowed = set(problem.allowed_types)
                    continue
                except AuthenticationException:
                    continue
                if not more:
                    return
                allowed = set(more)
            password = self.credentials.password(route)
            if password is not None:
                tried.append("the password")
                # Servers that only ask interactively are answered with it as well.
                with suppress(AuthenticationException):
                    if not transport.auth_password(route.user, password, fallback=True):
                        return
        except (SSHException, EOFError, OSError) as problem:
            raise Unreachable(
                f"the login of {route.user} broke off: {_words(problem)}", "authentication"
            ) from problem
        if not tried:
            places = ", ".join(route.identities) or "the agent"
            raise Unreachable(
                f"there is nothing to log {route.user} in with: no key that can be used in {places}, none in "
                "the agent, and no password in the site file",
                "authentication",
            )
        raise Unreachable(f"{route.user} was not let in with {', '.join(tried)}", "authentication")


def cause_of(words: str) -> str:
    """The cause that an error message of a connect means; ``failed`` where it is none that is known."""
    lowered = words.lower()
    return next((cause for said, cause in _REFUSALS.items() if said in lowered), "failed")


def open_forward(transport: Transport, host: str, port: int, timeout: float) -> paramiko.Channel:
    """A TCP connection from the far side (direct-tcpip). Raises as `Transport.open_channel` does."""
    return transport.open_channel("direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=timeout)


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
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        words = getattr(problem, "strerror", None) or "not a host name"
        raise Unreachable(f"the name {host} is not known: {words}", "dns") from problem
    deadline = monotonic() + CONNECT_S
    last: OSError | None = None
    for family, kind, protocol, _, address in found:
        link = _Prompt(family, kind, protocol)
        try:
            link.settimeout(max(0.1, deadline - monotonic()))
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


def _forwarded(route: Route, through: Transport) -> paramiko.Channel:
    try:
        return open_forward(through, route.host, route.port, CONNECT_S)
    except ChannelException as problem:
        if problem.code == 1:
            words = "the jump host forwards no connections (AllowTcpForwarding, PermitOpen)"
            raise Unreachable(f"{route.host}:{route.port}: {words}", "denied") from problem
        raise Unreachable(f"{route.host}:{route.port}: {problem.text}", cause_of(problem.text)) from problem
    except (SSHException, EOFError, OSError) as problem:
        words = _words(problem)
        cause = "timeout" if "timeout" in words.lower() else cause_of(words)
        raise Unreachable(f"{route.host}:{route.port}: {words}", cause) from problem


def _no_exchange(route: Route, problem: BaseException) -> Unreachable:
    words, place = _words(problem), f"{route.host}:{route.port}"
    if "banner" in words.lower() or isinstance(problem, TimeoutError):
        if (
            isinstance(problem.__cause__ or problem.__context__, EOFError)
            or "reading ssh protocol" in words.lower()
        ):
            return Unreachable(
                f"{place} answers, but not as an SSH server within {CONNECT_S:g} s: {words}", "timeout"
            )
        return Unreachable(f"{place} accepted the connection and said nothing for {CONNECT_S:g} s", "timeout")
    if "timeout" in words.lower() or "no existing session" in words.lower():
        return Unreachable(f"{place} did not finish the key exchange within {CONNECT_S:g} s", "timeout")
    return Unreachable(f"{place}: no SSH connection: {words}", cause_of(words))


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
