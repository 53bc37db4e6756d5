"""Publishing and withdrawing: everything is tried as an agent would try it before it is taken."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from checks.errors import BadInput
from checks.ids import new_run_id
from checks.profile_source import is_path, is_shipped
from checks.published import named_in, refuse_unusable
from checks.rules import TEXT_LIMIT, Rules, ScheduleEntry, Waiver
from checks.schedules.timing import read_timing
from server import audit, store
from server.delivery.names import existing
from server.errors import Refused
from server.publishing.audience import Audience, audience_in, concerns, sites_of
from server.publishing.standing import standing_of, withdrawn_ids
from server.tables import Publication, Store
from server.tables.base import to_micros

Kind = Literal["profile", "schedule", "waiver", "withdrawal", "signing-key"]

LONGEST_WAIVER: Final = timedelta(days=366)
MOST: Final = {"profiles": 200, "schedules": 50, "waivers": 2_000}
RULES_LIMIT: Final = 3_000_000
"""Bytes that all rules of a site may have; agents take a little more."""


def publish_profile(
    session: Session,
    text: str,
    audience: Audience,
    *,
    by: str,
    now: datetime,
    source: str = "the profile",
) -> Publication:
    """Publish a profile: YAML, whose id and version are its own. A version is one text for good. `source` is
    what a mistake in it is told of.

    Raises `BadProfile` where no agent could use it, `Refused` for a version that has another text already.
    """
    if len(text) > TEXT_LIMIT:
        raise BadInput(f"a published profile has at most {TEXT_LIMIT} characters")
    profile = named_in(text, source)
    document = msgspec.json.encode(profile)
    same = sa.select(Publication).where(
        Publication.kind == "profile", Publication.name == profile.id, Publication.label == profile.version
    )
    for other in session.scalars(same):
        if other.document != document:
            raise Refused(
                f"version {profile.version} of {profile.id} was published with another text"
                f" (publication {other.id}); give this one a version of its own"
            )
        if audience_in(other) == audience and other.id not in withdrawn_ids(session):
            raise Refused(
                f"{profile.id} {profile.version} is published for {audience} (publication {other.id})"
            )
    if is_shipped(profile.id):
        raise BadInput(f"profile {profile.id} is shipped with Firstlight; give yours another name")
    made = _add(session, "profile", audience, profile.id, document, by, now, label=profile.version)
    detail = f"publication {made.id}: profile {profile.id} {profile.version}"
    audit.record(session, now, by, "publish-profile", audience.subject, detail)
    return made


def publish_schedule(
    session: Session, entry: ScheduleEntry, audience: Audience, *, by: str, now: datetime
) -> Publication:
    """Publish a schedule in the place of one of its name. Raises `BadInput` where it cannot be kept to."""
    refuse_schedule(entry)
    made = _add(session, "schedule", audience, entry.name, msgspec.json.encode(entry), by, now)
    when = f"every {entry.every}" if entry.every else f"at {entry.cron}"
    detail = f"publication {made.id}: schedule {entry.name}, {when}, {entry.profile or 'the usual profile'}"
    audit.record(session, now, by, "publish-schedule", audience.subject, detail)
    return made


def refuse_schedule(entry: ScheduleEntry) -> None:
    """Raise `BadInput` for a schedule that is wrong, or reaches for files or sites of its own."""
    read_timing(entry)
    if entry.site_file or entry.site or is_path(entry.profile):
        raise BadInput(
            f"schedule {entry.name}: a published schedule names a profile that is shipped or published, and "
            "neither a file nor a site"
        )


def publish_waiver(
    session: Session,
    audience: Audience,
    *,
    item: str,
    reason: str,
    approved_by: str,
    expires: datetime,
    by: str,
    now: datetime,
    target: str = "",
    object: str = "",
) -> Publication:
    """Let a finding be borne until a day, a year ahead at most. Raises `BadInput`."""
    if not now < expires <= now + LONGEST_WAIVER:
        raise BadInput(f"a waiver ends after now and within a year; {expires:%Y-%m-%d %H:%M} UTC does not")
    texts = {"item": item, "reason": reason, "approved_by": approved_by}
    for name, text in texts.items():
        if not text.strip():
            raise BadInput(f"a waiver has an item, a reason and who approved it; {name} is empty")
    waiver = Waiver(new_run_id(), item, target, object, reason.strip(), approved_by.strip(), expires)
    try:
        waiver = msgspec.convert(msgspec.to_builtins(waiver), Waiver)
    except msgspec.ValidationError as error:
        raise BadInput(f"the waiver: {error}") from error
    made = _add(session, "waiver", audience, waiver.id, msgspec.json.encode(waiver), by, now)
    about = " ".join(filter(None, (item, object, f"at {target}" if target else "")))
    detail = f"publication {made.id}: {about} until {expires.isoformat()}, approved by {waiver.approved_by}"
    audit.record(session, now, by, "publish-waiver", audience.subject, detail)
    return made


def withdraw(session: Session, id: int, *, by: str, now: datetime) -> Publication:
    """Take a publication back, for whom it was published. Raises `NotFound`, and `Refused` where it is gone
    already, or another publication needs it.
    """
    row = existing(session, Publication, id)
    if row.kind not in ("profile", "schedule", "waiver"):
        raise Refused(f"publication {id} is a {row.kind}, which cannot be withdrawn")
    if session.scalar(sa.select(Publication.id).where(Publication.withdraws == id)) is not None:
        raise Refused(f"publication {id} is withdrawn already")
    audience = audience_in(row)
    made = _add(session, "withdrawal", audience, row.name, b"", by, now, label=row.label, withdraws=id)
    detail = f"publication {id}: {row.kind} {row.name} {row.label}".rstrip()
    audit.record(session, now, by, "withdraw", audience.subject, detail)
    return made


def announce_key(session: Session, public: bytes, *, by: str, now: datetime) -> Publication:
    """Note that the collector signs with another key from now on; every site's rules rise with it."""
    return _add(session, "signing-key", Audience(), "", public, by, now)


def _add(
    session: Session,
    kind: Kind,
    audience: Audience,
    name: str,
    document: bytes,
    by: str,
    now: datetime,
    *,
    label: str = "",
    withdraws: int | None = None,
) -> Publication:
    """Add an event, once every site that it concerns could use what is in force then."""
    session.get(Store, store.ONLY, with_for_update=True)  # versions rise one after the other
    newest = session.scalar(sa.select(sa.func.max(Publication.version))) or 0
    row = Publication(
        # Seconds since 1970, so that they rise also over a store that was restored from a backup.
        version=max(newest + 1, to_micros(now) // 1_000_000),
        kind=kind,
        site_id=audience.site,
        customer_id=audience.customer,
        name=name,
        label=label,
        document=document,
        withdraws=withdraws,
        by=by,
        at=now,
    )
    session.add(row)
    session.flush()
    if kind != "signing-key":
        _refuse_unusable_anywhere(session, audience, row)
    return row


def _refuse_unusable_anywhere(session: Session, audience: Audience, added: Publication) -> None:
    """Raise `Refused` or `BadProfile` where a site could not use all that is in force for it now."""
    tried: set[tuple[int, ...]] = set()
    for site, customer in sites_of(session, audience) or [("", audience.customer or "")]:
        query = sa.select(Publication).where(concerns(site, customer)).order_by(Publication.version)
        now_in_force = standing_of(site or "none", session.scalars(query).all())
        which = tuple(row.id for row in (*now_in_force.profiles, *now_in_force.schedules))
        if which in tried:
            continue
        tried.add(which)
        rules = now_in_force.rules()
        if rules is not None:
            _refuse_unusable(rules, added)


def _refuse_unusable(rules: Rules, added: Publication) -> None:
    lists = {"profiles": rules.profiles, "schedules": rules.schedules, "waivers": rules.waivers}
    for name, most in MOST.items():
        if len(lists[name]) > most:
            raise Refused(f"site {rules.site} would have more than {most} {name}; withdraw some first")
    if len(msgspec.json.encode(rules)) > RULES_LIMIT:
        raise Refused(f"all that is published for site {rules.site} would be larger than 3 MB")
    if added.kind == "waiver":
        return
    published = {each.id for each in rules.profiles}
    for entry in rules.schedules:
        if entry.profile and not is_shipped(entry.profile) and entry.profile not in published:
            raise Refused(
                f"schedule {entry.name} checks profile {entry.profile}, which is neither shipped nor "
                f"published for site {rules.site}"
            )
    try:
        refuse_unusable(rules.profiles)
    except BadInput as problem:
        if added.kind == "profile" and str(problem).startswith(f"{added.name} (published)"):
            raise
        raise Refused(f"site {rules.site} could then not use what is published for it: {problem}") from None
