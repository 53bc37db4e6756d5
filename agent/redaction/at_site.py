"""The redactor of a site as its config.toml and its secret make it, and a run's way through it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from agent.config import RedactionRules, load_config
from agent.durable import write_durably
from agent.identity import load_identity, load_salts, secret_salt
from agent.lock import exclusive
from agent.paths import State
from agent.redact import Redactor
from agent.redaction.masks import Masks, keep_masks, load_masks, unmasked
from checks.errors import BadInput

if TYPE_CHECKING:
    from checks.model import RunReport
    from checks.plan import Plan
    from checks.snapshot import Snapshot


def redactor_for(at: State, site: str, hosts: Iterable[str] = ()) -> Redactor:
    """What takes out of texts what must not leave this site (empty: no enrolment yet).

    `hosts` are names that are known to be of machines. Raises `BadInput` for rules that are wrong.
    """
    from agent.redaction.siterules import SiteRules

    rules = load_config(at).redact
    identity = load_identity(at)

    def secret() -> str:
        return site_secret(at, site, rules)

    made = SiteRules(rules, str(at.config)) if rules.words or rules.patterns else None
    if not rules.mask:
        return Redactor(secret, made)
    from agent.redaction.known import chosen_name, own_domains, own_names

    chosen = chosen_name(identity)
    names = (own_names() | set(hosts)) - {chosen}
    masks = Masks(rules, secret, names, domains=own_domains())
    return Redactor(secret, made, masks, chosen=chosen, registered=identity.targets if identity else {})


def masks_names(at: State) -> bool:
    """Whether this site masks any names, so that the salt of its findings is a secret."""
    return bool(load_config(at).redact.mask)


def site_secret(at: State, site: str, rules: RedactionRules) -> str:
    """What tokens are keyed with: the secret that the site's agents share, else one of this machine's own.

    Where that cannot be kept, tokens are those of this process only.
    """
    if rules.mask:
        return secret_salt(at, site)
    shared = load_salts(at).get(site)
    if shared:
        return shared
    with suppress(OSError):
        if kept := at.redaction_key.read_text(errors="replace").strip():
            return kept
    made = os.urandom(32).hex()
    with suppress(OSError, BadInput):
        at.prepare()
        with exclusive(at.masks_lock):
            with suppress(FileNotFoundError):
                if kept := at.redaction_key.read_text(errors="replace").strip():
                    return kept  # another process was first
            write_durably(at.redaction_key, made.encode() + b"\n")
    return made


def report_for(at: State, report: RunReport) -> RunReport:
    """A report as it may leave this site: the last thing that happens to it before it is encoded."""
    names = [target.name for target in report.targets]
    redactor = redactor_for(at, report.site, (name for name in names if not name.startswith("site/")))
    clean = redactor.report(report)
    remember(at, redactor)
    return clean


def remember(at: State, redactor: Redactor) -> None:
    """Keep what tokens stand for; where that fails nothing is lost but the way back."""
    if redactor.masks is not None:
        with suppress(OSError, BadInput):
            keep_masks(at, redactor.masks.stands_for())


def enrolled_as(at: State, name: str) -> str:
    """This machine's own name as it may be sent at enrolment: a token where the site masks names."""
    from agent.redaction.known import own_names

    if not masks_names(at) or name.lower() not in {each.lower() for each in own_names()}:
        return name
    redactor = redactor_for(at, "")
    sent = redactor.target(name)
    remember(at, redactor)
    return sent


def at_home(at: State, snapshot: Snapshot) -> Snapshot:
    """A saved snapshot with the names back that were masked here, so that it is evaluated under its own keys.

    Elsewhere, where nobody knows what the tokens stand for, it stays as it is.
    """
    known = names_here(at)
    if not known:
        return snapshot
    text = msgspec.json.encode(snapshot).decode()
    quoted = {token: msgspec.json.encode(value).decode()[1:-1] for token, value in known.items()}
    back = unmasked(text, quoted)
    return snapshot if back == text else msgspec.json.decode(back, type=type(snapshot))


def names_here(at: State) -> dict[str, str]:
    """What tokens stand for in this machine's own words: one that it was enrolled under is its name here."""
    known = load_masks(at)
    identity = load_identity(at) if known else None
    if identity is not None:
        known.pop(identity.target, None)
    return known


def hidden(plan: Plan, snapshot: Snapshot) -> Snapshot:
    """The snapshot with `Redacted` for each fact of the plan whose very name was masked when it was saved."""
    from agent.redaction.masks import TOKEN
    from checks.fact import Redacted

    def is_hidden(name: str) -> bool:
        return "[redacted:" in name or TOKEN.search(name) is not None

    targets = []
    for readings in snapshot.targets:
        masked = {name.partition("(")[0] for name in readings.values if is_hidden(name)}
        more = {
            fact.id(): Redacted("[masked:name]")
            for fact in (plan.facts(readings.target.name) if masked else ())
            if fact.id() not in readings.values and type(fact).__name__ in masked
        }
        targets.append(msgspec.structs.replace(readings, values=readings.values | more) if more else readings)
    return msgspec.structs.replace(snapshot, targets=tuple(targets))
