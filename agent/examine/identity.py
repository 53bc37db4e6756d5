"""Who this agent is, whether it still stands on its own machine, and what its collector allowed it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from agent.examine.symptom import Symptom
from agent.identity import Identity, load_identity, load_salts, looks_cloned, read_key
from agent.paths import State
from checks.errors import BadInput, FirstlightError

ENROL = "firstlight enrol URL --token -"


def known(state: State) -> Identity | None:
    """The identity, None where there is none that can be read."""
    try:
        return load_identity(state)
    except BadInput:
        return None


def look(state: State) -> Iterator[Symptom]:
    """The identity, its key, and the machine it stands on."""
    try:
        identity = load_identity(state)
    except BadInput as error:
        yield Symptom("identity", str(error), ENROL, "fail")
        return
    if identity is None:
        yield Symptom("identity", "not enrolled; checks work, nothing is sent", ENROL, "warn")
        return
    yield key(state, identity)
    if doubt := looks_cloned(identity):
        found, _, remedy = doubt.partition("; ")
        yield Symptom("machine", found, remedy, "fail")
    if identity.ca_file and not (state.root / identity.ca_file).is_file():
        again = f"firstlight enrol {identity.url} --token - --ca FILE"
        yield Symptom(
            "identity", f"the collector's authority {state.root / identity.ca_file} is gone", again, "fail"
        )
    if state.renewal.exists():
        yield Symptom(
            "identity", "a new key waits to be confirmed by the collector", "firstlight send", "note"
        )
    try:
        load_salts(state)
    except BadInput as error:
        yield Symptom("salts", str(error), "firstlight identity import FILE", "fail")


def key(state: State, identity: Identity) -> Symptom:
    """Whether the private key is there and nobody else's to read."""
    path = state.root / identity.key_file
    again = f"firstlight enrol {identity.url} --token -"
    try:
        read_key(path)
    except FirstlightError as error:
        return Symptom("identity", str(error), again, "fail")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        return Symptom("identity", f"others can read the private key {path}", f"chmod 600 {path}", "fail")
    sites = ", ".join(identity.sites)
    return Symptom("identity", f"agent {identity.agent} for {sites}, this machine is {identity.target}")


def rules(state: State, identity: Identity) -> Iterator[Symptom]:
    """What the collector published for this site, and what of it waits for somebody here."""
    from agent.rules import held
    from agent.rules.central import waiting_profiles
    from agent.rules.fetching import waiting

    try:
        found = held.load(state, identity)
    except BadInput as error:
        yield Symptom("rules", str(error), "firstlight send", "warn")
        return
    newer = waiting(state, identity)
    if newer:
        have = found.rules.version if found is not None else 0
        said = f"the collector has version {newer}, " + (f"held is {have}" if have else "none is held")
        yield Symptom("rules", said, "firstlight send", "note")
    if found is None:
        return
    rules = found.rules
    parts = (
        (len(rules.profiles), "profiles"),
        (len(rules.schedules), "schedules"),
        (len(rules.waivers), "waivers"),
    )
    what = ", ".join(f"{count} {name}" for count, name in parts if count) or "nothing in it"
    yield Symptom("rules", f"version {rules.version} of the collector: {what}")
    for plan, concerns in waiting_profiles(state):
        yield Symptom(
            "approval",
            f"{len(concerns)} of {len(plan.whole)} items of {plan.profile.id} {plan.profile.version} wait "
            "for somebody here to allow them",
            f"firstlight approve {plan.profile.id}",
            "warn",
        )
