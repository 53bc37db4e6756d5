"""Lists in portions: by id, `limit` at a time, each portion naming where the next one begins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from litestar.params import QueryParameter
from sqlalchemy.orm import InstrumentedAttribute, Session

from checks.errors import BadInput
from server.delivery.names import LARGEST_ID

T = TypeVar("T")

Limit = Annotated[int, QueryParameter(ge=1, le=500, description="How many at most, 1 to 500")]
After = Annotated[str, QueryParameter(max_length=200, description="`next` of the portion before")]
DEFAULT = 100


class Listing(msgspec.Struct, Generic[T], frozen=True):
    """A portion of a list. `next` goes into ``?after=`` for the following one; null when this is the last."""

    items: list[T]
    next: str | None = None


def by_id(
    session: Session,
    view: type[T],
    query: sa.Select[Any],
    id: InstrumentedAttribute[Any],
    *,
    after: str,
    limit: int,
    newest_first: bool = False,
) -> Listing[T]:
    """The rows of `query` as `view`, in the order of `id`."""
    if after:
        place: Any = after
        if isinstance(id.type, sa.Integer):
            place = _number(after)
        query = query.where(id < place if newest_first else id > place)
    rows = session.scalars(query.order_by(id.desc() if newest_first else id).limit(limit + 1)).all()
    return portion([shown(view, row) for row in rows], limit, [str(getattr(row, id.key)) for row in rows])


def _number(after: str) -> int:
    if not after.isascii() or not after.isdecimal():
        raise BadInput(f"after: {after!r} is not the `next` of a portion before")
    return min(int(after), LARGEST_ID)


def portion(items: list[T], limit: int, places: Iterable[str]) -> Listing[T]:
    """The first `limit` of up to `limit` + 1 items, knowing each one's place."""
    if len(items) <= limit:
        return Listing(items)
    return Listing(items[:limit], list(places)[limit - 1])


def shown(view: type[T], row: Any) -> T:
    """A table's row as what the API shows of it."""
    return msgspec.convert(row, view, from_attributes=True)
