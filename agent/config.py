"""What an administrator may set, in an optional ``config.toml`` of the state folder."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from agent.paths import State
from checks.errors import BadInput
from checks.rules import ScheduleEntry

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Days = Annotated[float, Meta(ge=0, le=3650)]
LARGEST = 1_000_000
"""Bytes of a configuration that is read at most."""
LONGEST_COMPLAINT = 500

Word = Annotated[str, Meta(min_length=1, max_length=200)]


class SpoolLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Above `max_mb` megabytes, or `max_days` days, the oldest runs are thinned out and at last dropped;
    `keep_free_mb` is what is left on the disk for others. What was refused for good is kept `quarantine_days`
    days.
    """

    max_mb: Annotated[float, Meta(gt=0, le=1_000_000)] = 512.0
    max_days: Annotated[float, Meta(gt=0, le=3650)] = 400.0
    quarantine_days: Annotated[float, Meta(gt=0, le=3650)] = 180.0
    keep_free_mb: Annotated[float, Meta(ge=0, le=1_000_000)] = 64.0


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the collector is reached. `proxy` stands in the place of the environment's, ``none`` for no proxy;
    it wants a login where `proxy_user` is set, with the secret that `proxy_password` names (``env:NAME`` or
    ``file:/path``). `client_cert` and `client_key` are PEM files for a server that wants to know its clients.
    """

    proxy: str = ""
    proxy_user: str = ""
    proxy_password: str = ""
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
    With `subnets` the tokens of addresses of one network begin alike.
    """

    words: tuple[Word, ...] = ()
    patterns: tuple[Word, ...] = ()
    mask: tuple[Literal["ip", "host", "user"], ...] = ()
    subnets: bool = False


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
        with state.config.open("rb") as file:
            text = file.read(LARGEST + 1)
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise BadInput(f"{state.config}: {error.strerror}") from error
    return read_config(text, str(state.config))


def read_config(text: bytes, where: str) -> Config:
    """The settings in a text; raises `BadInput` as `load_config`."""
    if len(text) > LARGEST:
        raise BadInput(f"{where}: larger than {LARGEST} bytes, which no configuration is")
    try:
        config = msgspec.toml.decode(text, type=Config)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        if len(what) > LONGEST_COMPLAINT:  # it repeats what it does not know
            what = f"{what[: LONGEST_COMPLAINT - 100]}…{what[-100:]}"
        raise BadInput(f"{where}: {_named(text, what)}") from error
    if config.schedules:
        _refuse_bad_schedules(config.schedules, where)
    return config


def _refuse_bad_schedules(schedules: tuple[ScheduleEntry, ...], where: str) -> None:
    from checks.schedules.timing import read_timing

    names = [entry.name for entry in schedules]
    for entry in schedules:
        try:
            read_timing(entry)
        except BadInput as error:
            raise BadInput(f"{where}: {error}") from error
        if names.count(entry.name) > 1:
            raise BadInput(f"{where}: schedule {entry.name} is there twice; give each a name of its own")
        for field in ("profile", "stage", "site", "site_file"):
            if not getattr(entry, field).isprintable():
                raise BadInput(
                    f"{where}: schedule {entry.name}: {field} holds characters that cannot be shown"
                )


def _named(text: bytes, problem: str) -> str:
    """A decoder's complaint with what may be set there, and the name of the schedule that it is about."""
    found = re.search(r"at `\$\.schedules\[(\d+)\]", problem)
    if found is None:
        # No text of TOML at all, or something in it that is not known.
        may = "" if "(at line" in problem else f"; it may set {', '.join(Config.__struct_fields__)}"
        return problem + may
    place = int(found[1])
    entry = msgspec.toml.decode(text)["schedules"][place]
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name.isprintable():
        name = str(place + 1)
    known = ", ".join(ScheduleEntry.__struct_fields__)
    problem = re.sub(
        r"Expected `str` matching regex '.*' -", "small letters, digits and dashes are right", problem
    )
    return f"schedule {name[:100]}: {problem}; a schedule may set {known}"
