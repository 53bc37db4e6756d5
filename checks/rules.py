"""What a collector publishes for a site, and what schedules look like wherever they are written.

Rules travel signed (`checks.signed`, kind ``rules``), over HTTP or on a stick. They are data: what an agent
does with them is its own decision, and its site's.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from checks.model import Moment, Name, RunId, Text

TEXT_LIMIT: Final = 256 * 1024
"""Characters of a published profile."""


class ScheduleEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When something is checked: either `every` (``6h``) or `cron` (five fields), read in `timezone` (an IANA
    name; empty: the machine's own).

    `jitter` is the span by which a machine comes later than the time says, always the same for one machine;
    `quiet` are hours in which no run begins (``22:00-06:00``). An empty `profile` is that of the enrolment,
    `site_file` the targets of a site file in the place of this machine.
    """

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,39}$")]
    every: Annotated[str, Meta(max_length=100)] = ""
    cron: Annotated[str, Meta(max_length=200)] = ""
    timezone: Annotated[str, Meta(max_length=100)] = ""
    jitter: Annotated[str, Meta(max_length=100)] = ""
    quiet: Annotated[tuple[Annotated[str, Meta(max_length=100)], ...], Meta(max_length=20)] = ()
    profile: Annotated[str, Meta(max_length=500)] = ""
    stage: Annotated[str, Meta(max_length=100)] = ""
    site: Annotated[str, Meta(max_length=200)] = ""
    site_file: Annotated[str, Meta(max_length=500)] = ""


class PublishedProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A profile as its author wrote it. `text` is YAML; it may extend shipped and published ones."""

    id: Name
    version: Annotated[str, Meta(min_length=1, max_length=100)]
    text: Annotated[str, Meta(max_length=TEXT_LIMIT)]


class Waiver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finding that is borne until `expires`: it is reported as before, but counts in no exit code.

    An empty `target` or `object` means every one.
    """

    id: RunId
    item: Name
    target: Annotated[str, Meta(max_length=200)]
    object: Annotated[str, Meta(max_length=500)]
    reason: Text
    approved_by: Name
    expires: Moment


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is in force for one site. `version` only ever rises; an agent takes no older one.

    `next_sign_key` announces the key (raw, base64) that later rules will be signed with; empty for none.
    """

    version: Annotated[int, Meta(ge=1, le=2**53)]
    site: Name
    issued: Moment
    profiles: Annotated[tuple[PublishedProfile, ...], Meta(max_length=200)] = ()
    schedules: Annotated[tuple[ScheduleEntry, ...], Meta(max_length=50)] = ()
    waivers: Annotated[tuple[Waiver, ...], Meta(max_length=2_000)] = ()
    next_sign_key: Annotated[str, Meta(max_length=100)] = ""
