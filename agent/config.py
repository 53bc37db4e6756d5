"""What an administrator may set, in an optional ``config.toml`` of the state folder."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from agent.paths import State
from checks.errors import BadInput
from checks.rules import ScheduleEntry

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Days = Annotated[float, Meta(ge=0, le=3650)]
Word = Annotated[str, Meta(min_length=1, max_length=200)]


class SpoolLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Above `max_mb` megabytes, or `max_days` days, the oldest runs are thinned out and at last dropped;
    `keep_free_mb` is what is left on the disk for others.
    """

    max_mb: Annotated[float, Meta(gt=0, le=1_000_000)] = 512.0
    max_days: Annotated[float, Meta(gt=0, le=3650)] = 400.0
    keep_free_mb: Annotated[float, Meta(ge=0, le=1_000_000)] = 64.0


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the collector is reached. `proxy` stands in the place of the environment's, ``none`` for no proxy;
    `client_cert` and `client_key` are PEM files for a server that wants to know its clients.
    """

    proxy: str = ""
    client_cert: str = ""
    client_key: str = ""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a scheduled run may use: `run_s` seconds, `memory_mb` megabytes, at priority `nice`."""

    run_s: Annotated[float, Meta(gt=0, le=86_400)] = 1800.0
    memory_mb: Annotated[float, Meta(ge=64, le=1_000_000)] = 1024.0
    nice: Annotated[int, Meta(ge=0, le=19)] = 10


class RedactionRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What never leaves this site beside what detectors find: `words` as they are, `patterns` (regular
    expressions), and the kinds of names in `mask`, each replaced by a token, the same for the same value.
    """

    words: tuple[Word, ...] = ()
    patterns: tuple[Word, ...] = ()
    mask: tuple[Literal["ip", "host"], ...] = ()


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds for a connect and for an answer, days that delivered runs are kept on this machine.

    `checks_dir` are the folders of checks that are in use where neither --checks-dir nor the environment
    names any. `consent` says what of a plan that came from the collector has to be approved here first:
    what executes, queries, writes or reads outside the shipped profiles' paths, or ``all``.
    """

    connect_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 30.0
    keep_sent_days: Days = 7.0
    checks_dir: tuple[str, ...] = ()
    consent: Literal["executing", "all"] = "executing"
    schedules: tuple[ScheduleEntry, ...] = ()
    spool: SpoolLimits = SpoolLimits()
    network: Network = Network()
    limits: Limits = Limits()
    redact: RedactionRules = RedactionRules()


def load_config(state: State) -> Config:
    """The settings; raises `BadInput` with the file and what was wrong in it."""
    try:
        text = state.config.read_bytes()
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise BadInput(f"{state.config}: {error.strerror}") from error
    try:
        return msgspec.toml.decode(text, type=Config)
    except (msgspec.MsgspecError, ValueError) as error:
        known = ", ".join(Config.__struct_fields__)
        raise BadInput(f"{state.config}: {error}; it may set {known}") from error
