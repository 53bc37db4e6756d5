"""Ids that people choose or that are made from a name, and looking things up by them."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.orm import Session

from checks.errors import BadInput
from server.errors import NotFound, Refused

if TYPE_CHECKING:
    from server.tables import Base

Row = TypeVar("Row", bound="Base")

# Ids stand in URLs, in file names and in the ids of KPI units, which join them with "/".
ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LARGEST_ID = 2**31 - 1
LONGEST_INTERVAL_S = 366 * 86_400


def fresh_id(session: Session, table: type[Base], chosen: str, name: str) -> str:
    """`chosen` if it is a free id, else one made from `name`.

    Raises `BadInput` for a malformed id and `Refused` for one that is taken.
    """
    kind = table.__tablename__
    if not name.strip() or len(name) > 200:
        raise BadInput(f"a {kind} needs a name of 1 to 200 characters")
    if chosen:
        if not ID.fullmatch(chosen):
            raise BadInput(
                f"{chosen!r} cannot be the id of a {kind}: use up to 64 of a-z 0-9 . _ - and begin with a"
                " letter or digit"
            )
        if session.get(table, chosen) is not None:
            raise Refused(f"there is already a {kind} {chosen}")
        return chosen
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50] or f"{kind}-{secrets.token_hex(4)}"
    free, count = slug, 1
    while session.get(table, free) is not None:
        count += 1
        free = f"{slug}-{count}"
    return free


def existing(session: Session, table: type[Row], id: Any, *, lock: bool = False) -> Row:
    """The row with this id; raises `NotFound`. With `lock` other writers of it wait (PostgreSQL)."""
    # Past the range of the column a database refuses the question instead of finding nothing.
    askable = not isinstance(id, int) or 0 < id <= LARGEST_ID
    row = session.get(table, id, with_for_update=True if lock else None) if askable else None
    if row is None:
        raise NotFound(f"there is no {table.__tablename__.replace('_', ' ')} {id}")
    return row


def expected_interval(seconds: int) -> int:
    """The expected seconds between runs, if they make sense; raises `BadInput`."""
    if not 0 < seconds <= LONGEST_INTERVAL_S:
        raise BadInput("interval_s is the expected seconds between runs; right is above 0 and up to a year")
    return seconds
