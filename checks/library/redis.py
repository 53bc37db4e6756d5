"""Checks of Redis."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from checks.facts.redis import RedisHealth, RedisState
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.units import Percent, Size, Span, size_text, span_text
from checks.verdicts import error, fail, msg, passed, skip, warn

Persistence = Literal["any", "rdb", "aof", "none"]

_LOCAL: Final = ("127.", "::1", "-::1", "localhost")


@check(
    "redis.health",
    severity=Severity.P1,
    about="host",
    owner="customer-it",
    object="{host}:{port}",
    state=RedisHealth("{host}", "{port}", "{user}", "{password}", "{tls}", "{ca}", "{timeout}"),
)
def redis_health(
    state: RedisState,
    now: datetime,
    host: str = "127.0.0.1",
    port: int = 6379,
    user: str = "",
    password: str = "",
    maxmemory: Size = 0,
    memory_warn: Percent = 90,
    policy: str = "",
    persistence: Persistence = "any",
    snapshot_within: Span = 26 * 3600,
    tls: Literal["off", "require", "verify"] = "off",
    ca: str = "",
    timeout: Span = 5,
) -> list[Verdict]:
    """Redis is closed to strangers, has a bound for its memory, and keeps what it should keep.

    There is a result for each of these:

    - access: whoever comes without a password meets a refusal. Fails where anybody is let in and the server
      listens on more than loopback, warns where it is loopback only. What it listens on is told by CONFIG
      GET; where that is refused, an open server is judged by the address it was reached at.
    - memory: a bound is set (`maxmemory`, at least so much), with less than `memory_warn` of it used, and
      `policy` where one is given. Without a bound the kernel decides what ends.
    - persistence: the last snapshot and the last write of the append-only file went well. `persistence: rdb`
      or `aof` wants that one, `none` neither (a cache), `any` whatever is configured; a snapshot with changes
      waiting is at most `snapshot_within` old.

    Remedy: `requirepass` or ACL users, `bind 127.0.0.1 -::1` and `protected-mode yes` in redis.conf; never
    let its port through to the outside. `maxmemory` at most three quarters of the memory with a
    `maxmemory-policy`, `save`, `appendonly yes`. See the log for a snapshot that failed: mostly the disk is
    full or `vm.overcommit_memory` is not 1.
    Source: Redis manual, security and administration.
    """
    return [
        _access(state, host),
        _memory(state, maxmemory, memory_warn, policy),
        _kept(state, now, persistence, snapshot_within),
    ]


def _access(state: RedisState, host: str) -> Verdict:
    object = "access"
    evidence: dict[str, Scalar] = {"without_password": state.unknown}
    if state.bind is not None:
        evidence["bind"] = " ".join(state.bind)
    if state.unknown == "password":
        return passed("whoever has no password is refused", object=object, evidence=evidence)
    if state.unknown == "protected":
        said = "only clients on the machine itself are let in (protected mode); no password is set"
        return passed(said, object=object, evidence=evidence)
    if state.bind is not None:
        outside = [each for each in state.bind if not each.startswith(_LOCAL)]
        # No address at all is every address.
        local = bool(state.bind) and not outside
    else:
        outside, local = [host], host.startswith(_LOCAL)
    if not local and state.protected is not True:
        say = msg("anybody is let in who reaches {bind}", bind=", ".join(outside) or "any of its addresses")
        return fail(say, object=object, cause="open", severity=Severity.P0, evidence=evidence)
    if not local:
        said = "there is no password; protected mode alone keeps others out"
        return warn(said, object=object, cause="no-password", evidence=evidence)
    if state.bind is None:
        said = "anybody on the machine is let in; whether others are cannot be told: CONFIG GET is refused"
        return error(said, object=object, cause="denied", evidence=evidence)
    return warn("anybody on the machine is let in", object=object, cause="no-password", evidence=evidence)


def _memory(state: RedisState, least: int, used_warn: float, policy: str) -> Verdict:
    object = "memory"
    if "INFO" in state.denied or not state.version:
        return _refused(state, object)
    evidence: dict[str, Scalar] = {
        "maxmemory": state.maxmemory,
        "used": state.used,
        "policy": state.policy,
        "ram": state.memory,
    }
    if not state.maxmemory:
        return fail("there is no bound (maxmemory)", object=object, cause="unbounded", evidence=evidence)
    bound = size_text(state.maxmemory)
    if state.maxmemory < least:
        say = msg("maxmemory is {bound}, wanted: at least {least}", bound=bound, least=size_text(least))
        return fail(say, object=object, cause="small", evidence=evidence)
    if state.memory and state.maxmemory > state.memory:
        say = msg("maxmemory is {bound}, the machine has {ram}", bound=bound, ram=size_text(state.memory))
        return fail(say, object=object, cause="large", evidence=evidence)
    if policy and state.policy != policy:
        say = msg("the policy is {actual}, wanted: {wanted}", actual=state.policy, wanted=policy)
        return fail(say, object=object, cause="policy", evidence=evidence)
    percent = 100.0 * state.used / state.maxmemory
    say = msg(
        "{percent} % of {bound} used, {policy}", percent=round(percent, 1), bound=bound, policy=state.policy
    )
    # A cache that evicts is meant to be full.
    if percent > used_warn and state.policy in ("noeviction", ""):
        return warn(say, object=object, cause="full", evidence=evidence)
    return passed(say, object=object, evidence=evidence)


def _kept(state: RedisState, now: datetime, wanted: str, within: float) -> Verdict:
    object = "persistence"
    if "INFO" in state.denied or not state.version:
        return _refused(state, object)
    evidence: dict[str, Scalar] = {"append_only_file": state.appends, "changes": state.changes}
    if state.saves is not None:
        evidence["snapshots"] = state.saves
    if wanted == "aof" and not state.appends:
        return fail("there is no append-only file", object=object, cause="no-aof", evidence=evidence)
    if wanted == "rdb" and state.saves is None:
        return error(
            "whether snapshots are made cannot be told: CONFIG GET is refused",
            object=object,
            cause="denied",
            evidence=evidence,
        )
    if wanted == "rdb" and not state.saves:
        return fail("no snapshots are made", object=object, cause="no-rdb", evidence=evidence)
    if wanted == "none" and (state.appends or state.saves):
        return warn(
            "it writes to the disk, and is meant as a cache only",
            object=object,
            cause="persists",
            evidence=evidence,
        )
    if not state.saved_well:
        return fail("the last snapshot failed", object=object, cause="rdb-failed", evidence=evidence)
    if not state.appended_well:
        return fail(
            "the last write to the append-only file failed",
            object=object,
            cause="aof-failed",
            evidence=evidence,
        )
    age = now.timestamp() - state.last_save
    if (
        wanted != "none"
        and state.saves
        and state.changes
        and state.last_save
        and age > within
        and not state.appends
    ):
        say = msg(
            "the last snapshot is {age} old, and {changes} changes wait",
            age=span_text(age),
            changes=state.changes,
        )
        return warn(say, object=object, cause="old", evidence=evidence)
    if state.appends or state.saves:
        kinds = " and ".join(
            name for name, on in (("snapshots", state.saves), ("the append-only file", state.appends)) if on
        )
        return passed(msg("{kinds} went well", kinds=kinds), object=object, evidence=evidence)
    if wanted == "none" or state.saves is False:
        return passed("nothing is kept, as configured", object=object, evidence=evidence)
    return passed("the last snapshot, where there was any, went well", object=object, evidence=evidence)


def _refused(state: RedisState, object: str) -> Verdict:
    """What hinders INFO: a server that keeps out its checker lets nothing be told."""
    if state.unknown == "protected":
        return skip("protected mode answers only on the machine itself", object=object, cause="protected")
    why = state.denied.get("INFO", "INFO is empty")
    say = msg("needs: ACL SETUSER <user> +info +config|get, and its password ({why})", why=why)
    return error(say, object=object, cause="denied")
