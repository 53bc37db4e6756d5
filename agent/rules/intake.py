"""The one door for what a collector published: over the network or from a stick, it is believed here or not.

Only what the pinned key signed for this site, in a version above the one held, and only as a whole.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from agent.identity import Identity, enrolled, load_identity, save_identity
from agent.lock import exclusive
from agent.paths import State
from agent.rules import held
from checks.errors import BadInput
from checks.profile_source import is_path, is_shipped
from checks.published import refuse_unusable
from checks.rules import Rules
from checks.signed import key_name, parse, raw_key, signer

if TYPE_CHECKING:
    from agent.rules.held import Held

FILE_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of a signed file of rules that are looked at."""

LOCK_WAIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a file: the version held now, and the one before: 0 for none, the same where it was known.

    `key` is the short name of the collector's new signing key, where the file announced one.
    """

    version: int
    before: int
    profiles: tuple[str, ...] = ()
    key: str = ""

    def __str__(self) -> str:
        if self.version == self.before:
            return f"rules {self.version} are held already"
        named = f": {', '.join(self.profiles)}" if self.profiles else ", without profiles"
        newer = f"; signed with key {self.key} from now on" if self.key else ""
        return f"rules {self.version} taken{named}{newer}"


def take(state: State, data: bytes) -> Taken:
    """Take in a signed file of rules.

    Raises `BadInput` for what is not believed or cannot be used, in one line, and then nothing has changed;
    `OSError` where it cannot be written.
    """
    if len(data) > FILE_LIMIT:
        raise BadInput(f"rules of more than {FILE_LIMIT // 1024**2} MiB; nothing of them was taken")
    enrolled(state)  # before there is a folder to lock in
    with exclusive(state.rules_lock, wait_s=LOCK_WAIT_S):
        identity = enrolled(state)
        file = parse(data, "rules")
        if signer(file, [_pinned(identity)]) is None:
            raise BadInput(
                f"rules that are not signed with the pinned key {key_name(_pinned(identity))} of "
                f"{identity.url}; nothing of them was taken"
            )
        rules = held.decode(file.body)
        before = _held(state, identity)
        known = before.rules if before is not None else None
        _refuse_unfitting(rules, identity, known)
        if known is not None and rules.version == known.version:
            _pin(state, identity, rules)
            return Taken(rules.version, rules.version)
        refuse_unusable(rules.profiles)
        _refuse_schedules(rules)
        if known is not None:
            from agent.rules.central import remember_allowed

            remember_allowed(state, known)
        announced = (rules.next_sign_key,) if rules.next_sign_key else ()
        held.keep(state, data, (identity.sign_key, *announced))
        _pin(state, identity, rules)
        return Taken(
            rules.version,
            known.version if known is not None else 0,
            tuple(f"{each.id} {each.version}" for each in rules.profiles),
            key_name(raw_key(rules.next_sign_key)) if announced else "",
        )


def _pinned(identity: Identity) -> bytes:
    if not identity.sign_key:
        raise BadInput(
            f"{identity.url} gave this agent no key to check rules with; enrol again (firstlight enrol URL)"
        )
    return raw_key(identity.sign_key)


def _held(state: State, identity: Identity) -> Held | None:
    try:
        return held.load(state, identity)
    except BadInput:
        return None  # damaged: what comes takes its place


def _refuse_unfitting(rules: Rules, identity: Identity, known: Rules | None) -> None:
    """Raise `BadInput` for rules of another site, or older or other ones than those held."""
    if rules.site != identity.sites[0]:
        raise BadInput(f"rules for site {rules.site!r:.100}, and this agent is at {identity.sites[0]}")
    if rules.next_sign_key:
        raw_key(rules.next_sign_key)
    if known is None:
        return
    if rules.version < known.version:
        raise BadInput(
            f"rules {rules.version} are older than rules {known.version}, which are held; not taken"
        )
    plain = msgspec.structs.replace(rules, next_sign_key="")
    if rules.version == known.version and plain != msgspec.structs.replace(known, next_sign_key=""):
        raise BadInput(f"rules {rules.version} are held, and these are others of that number; not taken")


def _refuse_schedules(rules: Rules) -> None:
    """Raise `BadInput` for schedules that reach for what they must not, or check what nobody knows."""
    from checks.schedules.timing import read_timing

    published = {each.id for each in rules.profiles}
    names: set[str] = set()
    for entry in rules.schedules:
        read_timing(entry)
        if entry.name in names:
            raise BadInput(f"schedule {entry.name} is published twice")
        names.add(entry.name)
        if entry.site_file:
            raise BadInput(f"schedule {entry.name} names a site file, which no collector may")
        if entry.site not in ("", rules.site):
            raise BadInput(f"schedule {entry.name} is for site {entry.site!r:.100}, the rules are not")
        known = entry.profile in published or is_shipped(entry.profile)
        if entry.profile and (is_path(entry.profile) or not known):
            raise BadInput(
                f"schedule {entry.name} checks {entry.profile!r:.100}, which is neither shipped nor published"
            )


def _pin(state: State, identity: Identity, rules: Rules) -> None:
    """Go by the key that the rules announce: the pinned one has vouched for it."""
    if not rules.next_sign_key or rules.next_sign_key == identity.sign_key:
        return
    key = base64.b64encode(raw_key(rules.next_sign_key)).decode()
    with exclusive(state.delivery_lock, wait_s=LOCK_WAIT_S):
        present = load_identity(state)
        if present is not None and present.sign_key == identity.sign_key:
            save_identity(state, msgspec.structs.replace(present, sign_key=key))
