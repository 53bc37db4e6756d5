"""Logging in on a connection whose host key was accepted: one key after the other, then the password."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from paramiko import AuthenticationException, BadAuthenticationType, SSHException

from agent.targets.credentials import Credentials
from agent.targets.route import Route
from checks.errors import Unreachable
from checks.secret import Secret

if TYPE_CHECKING:
    from paramiko import PKey, Transport

MAX_KEYS: Final = 5
"""sshd closes a connection after six failed attempts (MaxAuthTries), of which a password needs one."""


def log_in(transport: Transport, route: Route, credentials: Credentials, seconds: float) -> None:
    """Log in within that time. Raises `Unreachable` (authentication, timeout) saying what was tried."""
    _Login(transport, route.user, seconds).run(route, credentials)


class _Login:
    def __init__(self, transport: Transport, user: str, seconds: float) -> None:
        self._transport, self._user, self._seconds = transport, user, seconds
        self._deadline = monotonic() + seconds
        self._tried: list[str] = []
        self._allowed: tuple[str, ...] = ()

    def run(self, route: Route, credentials: Credentials) -> None:
        keys = credentials.keys(route)
        for key in keys[:MAX_KEYS]:
            if self._allowed and "publickey" not in self._allowed:
                break
            if self._attempt(_named(key), partial(self._transport.auth_publickey, self._user, key)):
                return
        password = credentials.password(route)
        # A server that only asks interactively is answered with the password as well.
        if password is not None and self._attempt("the password", partial(self._say, password)):
            return
        raise Unreachable(self._refused(route, credentials, len(keys) - MAX_KEYS), "authentication")

    def _say(self, password: Secret) -> list[str]:
        return self._transport.auth_password(self._user, password.reveal(), fallback=True)

    def _attempt(self, what: str, ask: Callable[[], list[str]]) -> bool:
        """Whether that let the user in; what the server still wants is remembered."""
        self._tried.append(what)
        self._transport.auth_timeout = max(0.1, self._deadline - monotonic())
        try:
            more = ask()
        except BadAuthenticationType as problem:
            self._allowed = tuple(problem.allowed_types)
            return False
        except (SSHException, EOFError, OSError) as problem:
            if self._transport.is_active() and monotonic() >= self._deadline:
                raise Unreachable(
                    f"the login of {self._user} was not answered within {self._seconds:g} s", "timeout"
                ) from problem
            if self._transport.is_active() and isinstance(problem, AuthenticationException):
                return False
            raise Unreachable(
                f"the server ended the login of {self._user} with {', '.join(self._tried)}",
                "authentication",
            ) from problem
        self._allowed = tuple(more)
        return not more

    def _refused(self, route: Route, credentials: Credentials, left: int) -> str:
        notes = credentials.unusable(route)
        if left > 0:
            notes.append(f"{left} more keys were not offered, because servers end after six attempts")
        if not self._tried:
            places = ", ".join(route.identities) or "the agent"
            return (
                f"there is nothing to log {self._user} in with: no key that can be used in {places}, none in "
                f"the agent, and no password in the site file{_also(notes)}"
            )
        if self._allowed:
            notes.append(f"the server takes {', '.join(self._allowed)}")
        return f"{self._user} was not let in with {', '.join(self._tried)}{_also(notes)}"


def _named(key: PKey) -> str:
    """The key's type, that of its certificate if it has one, and its fingerprint."""
    certificate = getattr(key, "public_blob", None)
    return f"key {certificate.key_type if certificate else key.get_name()} {key.fingerprint}"


def _also(notes: list[str]) -> str:
    return "".join(f"; {note}" for note in notes)
