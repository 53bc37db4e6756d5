"""What an item of a published profile may read without a word of the site, and why another may not.

Harmless is what shipped profiles read with facts of the same kind, and to look whether something answers. All
else needs an approval: to run a command, to ask a database, to write, to send more than a plain request, to
read other paths, to look for other words in files, to use a secret of the machine. What is not known here is
not harmless.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import msgspec

from checks import registry
from checks.fact import Fact
from checks.facts.asks import (
    Ask,
    Connect,
    ReadFile,
    ReadFrom,
    Recall,
    RecallAccepted,
    RecallAnswer,
    RecallDeliveries,
    RunCommand,
    Talk,
    path_of,
)
from checks.logs import LogEntry
from checks.model import Target
from checks.plan import Plan, make_plan
from checks.profile import Profile, load_profile
from checks.profile_source import profile_names
from checks.unit import Unit

_GAP: Final = re.compile(r"<[^<>]*>")
_NAMED_SECRET: Final = re.compile(r"(?:^|[\s=:,;])(?:env:[A-Za-z_]|file:/)")
_MEMORIES: Final = (Recall, RecallAccepted, RecallAnswer, RecallDeliveries)
"""What the agent itself recorded here."""


class Concern(msgspec.Struct, frozen=True):
    """Why a unit needs an approval: `reasons` as words, and the asks and facts that they are about."""

    target: str
    item: str
    reasons: tuple[str, ...]
    asks: tuple[Ask, ...] = ()


def concerns(plan: Plan) -> list[Concern]:
    """The units of a plan that need an approval, in the plan's order."""
    return [found for unit in plan.whole if (found := _concern(unit)) is not None]


def plan_anywhere(profile: Profile) -> Plan:
    """A profile as a plan of one machine that has all its roles: what it may read wherever it is used.

    Raises `BadProfile` where an item asks for something that nobody could read.
    """
    roles = tuple(dict.fromkeys(role for item in profile.items for role in item.roles))
    plan = make_plan(profile, [Target("any")], roles={"any": roles})
    for unit in plan.whole:
        for fact in (*unit.first_facts, *unit.templates):
            fact.asks()
    return plan


def in_full(ask: Ask) -> str:
    """All of an ask in words: what it describes, and every field that this leaves out."""
    said = ask.describe()
    if isinstance(ask, RunCommand):
        return said
    fresh = {field.name: field.default for field in msgspec.structs.fields(type(ask))}
    told = [
        f"{name} {_plain(value)}"
        for name in ask.__struct_fields__
        if (value := getattr(ask, name)) != fresh.get(name) and not _said(value, said)
    ]
    return f"{said} ({'; '.join(told)})" if told else said


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_plain, value))
    return str(value)


def _said(value: Any, words: str) -> bool:
    """Whether the words hold a value already; a number they hold may be another one, so it is told again."""
    if isinstance(value, tuple):
        return all(_said(part, words) for part in value)
    return isinstance(value, str) and (value in words or " ".join(value.split()) in words)


def _concern(unit: Unit) -> Concern | None:
    reasons: dict[str, None] = {}
    asks: dict[Ask, None] = {}
    origin = registry.origin_of(unit.item.check)
    if origin:
        reasons[f"uses the check {unit.item.check} of {origin}"] = None
    for fact in (*unit.first_facts, *unit.templates):
        if not type(fact).__module__.startswith("checks."):
            reasons["reads in a way that is not Firstlight's own"] = None
            asks |= dict.fromkeys(fact.asks())
        if any(_NAMED_SECRET.search(text) for text in _texts(fact)):
            reasons["uses a secret of this machine"] = None
            asks |= dict.fromkeys(fact.asks())
        for ask in fact.asks():
            reason = _reason(fact, ask)
            if reason:
                reasons[reason] = None
                asks[ask] = None
    return Concern(unit.target, unit.item.id, tuple(reasons), tuple(asks)) if reasons else None


def _reason(fact: Fact, ask: Ask) -> str:
    """Why one ask of a fact is not harmless; empty where it is."""
    kind = type(fact).__name__
    if isinstance(ask, RunCommand):
        return "writes to a disk" if kind == "WriteLatency" else "runs a command"
    if isinstance(ask, Talk):
        return "" if _only_looks(fact, ask) else _talk(ask)
    if isinstance(ask, (Connect, *_MEMORIES)):
        return ""
    shipped = _shipped().get(kind, frozenset())
    path = path_of(ask)
    if ask in shipped or (
        path and any(type(each) is type(ask) and _fits(path, path_of(each)) for each in shipped)
    ):
        # A pattern or a key is a question to the text of the file: enough of them tell a password in it.
        return OTHER_WORDS if isinstance(ask, (ReadFile, ReadFrom)) and _asks_otherwise(fact) else ""
    return (
        "reads outside the paths that shipped profiles read"
        if path
        else "reads what no shipped profile reads"
    )


OTHER_WORDS: Final = "looks for other words in a file than shipped profiles do"


def _asks_otherwise(fact: Fact) -> bool:
    """Whether a fact that is given its file is none of those of the shipped profiles, word for word."""
    return "path" in fact.__struct_fields__ and fact not in _shipped_facts()


def _talk(ask: Talk) -> str:
    kind = type(ask).__name__
    if kind == "AskDatabase":
        return "asks a database"
    if kind == "Fetch":
        return "sends more than a plain request, or takes words out of the answer"
    return "talks to a service"


def _only_looks(fact: Fact, ask: Talk) -> bool:
    """Whether a conversation sends nothing but a plain GET or a TLS handshake, and takes no words home."""
    kinds = (type(fact).__name__, type(ask).__name__)
    if kinds == ("WebPage", "Fetch"):
        given = {"method": ("GET", "HEAD")} | dict.fromkeys(_SENT, ("", ())) | dict.fromkeys(_TAKEN, ("",))
        return all(getattr(fact, name) in right for name, right in given.items())
    if kinds[1] == "Handshake":
        return (getattr(ask, "starttls", ""), getattr(ask, "ca", "?")) == ("none", "")
    return False


_SENT: Final = ("headers", "body", "ca", "user", "password", "bearer")
_TAKEN: Final = ("contains", "pattern", "json", "header")


def _fits(path: str, template: str) -> bool:
    """Whether a path is that of a template in which each gap stands for one name below a known folder."""
    parts = _GAP.split(template)
    if len(parts) < 2 or not re.match(r"/[^/]+/", parts[0]):
        return False
    found = re.fullmatch(r"([^/\0\n]+)".join(map(re.escape, parts)), path)
    return found is not None and not any(name in (".", "..") for name in path.split("/"))


@cache
def _shipped() -> Mapping[str, frozenset[Ask]]:
    """What the facts of each kind ask in the shipped profiles."""
    found: dict[str, set[Ask]] = {}
    for fact in _shipped_facts():
        found.setdefault(type(fact).__name__, set()).update(fact.asks())
    return {kind: frozenset(asks) for kind, asks in found.items()}


@cache
def _shipped_facts() -> frozenset[Fact]:
    """The facts of the shipped profiles, whatever roles a machine has."""
    return frozenset(
        fact
        for name in profile_names()
        for unit in plan_anywhere(load_profile(name)).whole
        for fact in (*unit.first_facts, *unit.templates)
    )


def shipped_reads() -> frozenset[str]:
    """All that shipped profiles touch, in words."""
    return frozenset(in_full(ask) for asks in _shipped().values() for ask in asks)


@cache
def shipped_logs() -> frozenset[LogEntry]:
    """The logs that shipped profiles name for the diagnostic bundle, whatever role they name them for."""
    every = (each for name in profile_names() for each in load_profile(name).logs)
    return frozenset(msgspec.structs.replace(each, roles=()) for each in every)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a fact."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list | frozenset):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _texts((key, part))
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _texts(getattr(value, name))
