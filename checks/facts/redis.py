"""How a Redis server is, and whether it lets in whoever comes: asked in its own protocol (RESP 2).

The first thing that is said is said without a password. So whether one is needed is seen, and not read from
a setting that is the password itself.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, Talk
from checks.facts.named_secret import refuse_unnamed, secret_if_named
from checks.facts.resp import RedisError, Replies, Reply
from checks.secret import Secret

if TYPE_CHECKING:
    import socket

    from checks.facts.dial import Dialer
    from checks.facts.host import Host

MAX_TIMEOUT_S: Final = 30.0
SETTINGS: Final = ("bind", "protected-mode", "maxmemory", "maxmemory-policy", "save", "appendonly")
"""What is read of the configuration. Never ``requirepass`` or all of it: passwords are in there."""


class RedisSaid(msgspec.Struct, frozen=True):
    """What a server said: to somebody without a password (``open``, ``password``, ``protected``, ``lost``),
    its INFO, and the settings that it told; `denied` names what it would not tell, with its words."""

    unknown: str
    info: str = ""
    settings: dict[str, str] = {}
    denied: dict[str, str] = {}


class AskRedis(Talk, frozen=True, tag="redis"):
    """PING without a password, then AUTH, INFO and CONFIG GET; `timeout` in seconds for all of it."""

    host: str
    port: int | str
    user: str = ""
    password: str = ""
    tls: str = "off"
    ca: str = ""
    timeout: float = 5.0

    @property
    def destination(self) -> tuple[str, int | str]:
        return self.host, self.port

    def describe(self) -> str:
        return f"ask Redis at {self.host}:{self.port}: PING, INFO, CONFIG GET {' '.join(SETTINGS)}"

    def talk(self, dialer: Dialer) -> RedisSaid:
        secret = secret_if_named(self.password)
        try:
            return _converse(self, secret, dialer)
        except RedisError as problem:
            raise NotReadable(secret.scrubbed(str(problem)), _cause(problem)) from None


def _converse(ask: AskRedis, secret: Secret, dialer: Dialer) -> RedisSaid:
    import ssl

    from checks.facts.deadline import Deadline

    with Deadline(ask.timeout) as deadline:
        try:
            link = deadline.watch(dialer.connect(ask.host, int(ask.port), ask.timeout))
        except NotReadable:
            raise
        try:
            if ask.tls != "off":
                link = _context(ask).wrap_socket(link, server_hostname=ask.host)
            link.settimeout(deadline.left)
            return _asked(ask, secret, link)
        except ssl.SSLError as problem:
            raise NotReadable(f"no TLS session: {problem.reason or problem}", "tls") from None
        except (TimeoutError, OSError, NotReadable) as problem:
            if deadline.passed or isinstance(problem, TimeoutError):
                raise NotReadable(f"no answer within {ask.timeout:g} s", "timeout") from None
            if isinstance(problem, NotReadable):
                raise
            raise NotReadable(
                f"the server ended the connection: {problem.strerror or problem}", "lost"
            ) from None
        finally:
            link.close()


def _context(ask: AskRedis) -> Any:
    from checks.facts.tlscontext import context, open_context

    return context(ask.ca) if ask.tls == "verify" else open_context()


def _asked(ask: AskRedis, secret: Secret, link: socket.socket) -> RedisSaid:
    replies = Replies(link)

    def say(*words: str) -> Reply:
        parts = [word.encode() for word in words]
        sent = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        link.sendall(b"*%d\r\n%s" % (len(parts), sent))
        return replies.next()

    unknown = "open"
    try:
        say("PING")
    except RedisError as problem:
        if problem.code == "DENIED":
            return RedisSaid("protected")
        if problem.code not in ("NOAUTH", "NOPERM"):
            raise
        unknown = "password"
    if secret:
        try:
            say("AUTH", *([ask.user] if ask.user else []), secret.reveal())
        except RedisError as problem:
            # Where none is set every login is one too many, and everything is told anyway.
            if unknown == "password" or problem.code != "ERR":
                raise
    elif unknown == "password":
        return RedisSaid(unknown, denied={"INFO": "it wants a password, and none is named"})
    return _told(unknown, secret, say)


def _told(unknown: str, secret: Secret, say: Any) -> RedisSaid:
    denied: dict[str, str] = {}
    info, settings = "", {}
    try:
        reply = say("INFO")
        info = reply if isinstance(reply, str) else ""
    except RedisError as problem:
        denied["INFO"] = secret.scrubbed(str(problem))
    for name in SETTINGS:
        try:
            pair = say("CONFIG", "GET", name)
        except RedisError as problem:
            denied["CONFIG"] = secret.scrubbed(str(problem))
            break
        if isinstance(pair, tuple) and len(pair) == 2:
            settings[name] = str(pair[1])[:500]
    with suppress(RedisError, NotReadable, OSError):
        say("QUIT")
    return RedisSaid(unknown, info, settings, denied)


def _cause(problem: RedisError) -> str:
    if problem.code in ("WRONGPASS", "NOAUTH") or "invalid password" in str(problem).lower():
        return "login"
    return {"NOPERM": "denied", "LOADING": "starting"}.get(problem.code, "failed")


class RedisState(msgspec.Struct, frozen=True):
    """How a server is.

    `unknown` is what somebody without a password meets: ``open``, ``password``, ``protected``. `bind` are the
    addresses it listens on (None: not told), `maxmemory` bytes (0: no bound) of `memory` bytes that the
    machine has, `used` of them. `saves` says that snapshots are configured (None: not told), `last_save` when
    the last one was made (Unix seconds), `changes` what it lacks. `denied` names commands that this login may
    not give, with the server's words.
    """

    unknown: str
    version: str = ""
    role: str = ""
    bind: tuple[str, ...] | None = None
    protected: bool | None = None
    maxmemory: int = 0
    policy: str = ""
    used: int = 0
    memory: int = 0
    saves: bool | None = None
    saved_well: bool = True
    last_save: int = 0
    changes: int = 0
    appends: bool = False
    appended_well: bool = True
    master_link: str = ""
    denied: dict[str, str] = {}


@fact
class RedisHealth(Fact, frozen=True):
    """What `redis.health` judges. Raises `BadInput` for a password that is not named but given."""

    value_type: ClassVar[type] = RedisState
    deadline_s: ClassVar[float] = MAX_TIMEOUT_S + 5.0
    host: str
    port: int | str
    user: str = ""
    password: str = ""
    tls: str = "off"
    ca: str = ""
    timeout: float | str = 5.0

    def __post_init__(self) -> None:
        refuse_unnamed(self.password, "Redis (password)")

    def describe(self) -> str:
        return self._ask().describe()

    def asks(self) -> tuple[Ask, ...]:
        return (self._ask(),)

    def grants(self) -> tuple[str, ...]:
        who = self.user or "firstlight"
        return (f"ACL SETUSER {who} on ><its password> +ping +info +config|get",)

    def read(self, host: Host) -> RedisState:
        said: RedisSaid = host.talk(self._ask())
        return read_state(said)

    @classmethod
    def settled(cls, value: RedisState) -> dict[str, Any]:
        """Version and settings; memory in use, the last snapshot and what it lacks never stand still."""
        kept = ("unknown", "version", "role", "bind", "protected", "maxmemory", "policy", "saves", "appends")
        return {name: getattr(value, name) for name in kept}

    def _ask(self) -> AskRedis:
        timeout = 5.0 if isinstance(self.timeout, str) else min(max(float(self.timeout), 0.1), MAX_TIMEOUT_S)
        return AskRedis(self.host, self.port, self.user, self.password, self.tls, self.ca, timeout)


def read_state(said: RedisSaid) -> RedisState:
    """What INFO and the settings say, in one form; what is missing in them keeps its default."""
    fields = info_of(said.info)
    settings = said.settings
    bind = settings.get("bind")
    save = settings.get("save")
    return RedisState(
        said.unknown,
        fields.get("redis_version", ""),
        fields.get("role", ""),
        None if bind is None else tuple(bind.split()),
        None if "protected-mode" not in settings else settings["protected-mode"] == "yes",
        _whole(settings.get("maxmemory") or fields.get("maxmemory")),
        settings.get("maxmemory-policy") or fields.get("maxmemory_policy", ""),
        _whole(fields.get("used_memory")),
        _whole(fields.get("total_system_memory")),
        None if save is None else bool(save.strip()),
        fields.get("rdb_last_bgsave_status", "ok") == "ok",
        _whole(fields.get("rdb_last_save_time")),
        _whole(fields.get("rdb_changes_since_last_save")),
        fields.get("aof_enabled") == "1" or settings.get("appendonly") == "yes",
        fields.get("aof_last_write_status", "ok") == "ok"
        and fields.get("aof_last_bgrewrite_status", "ok") == "ok",
        fields.get("master_link_status", ""),
        said.denied,
    )


def info_of(text: str) -> dict[str, str]:
    """The fields of INFO."""
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value.strip() for name, colon, value in pairs if colon}


def _whole(value: str | None) -> int:
    return int(value) if value is not None and re.fullmatch(r"[0-9]{1,18}", value) else 0
