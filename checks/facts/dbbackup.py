"""When a database was last saved, by its own catalogue or by what a query says."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from checks.fact import NotReadable, fact
from checks.facts.dbbase import OfDatabase, as_asked, moment, text_of
from checks.facts.dburl import is_open
from checks.facts.sqltext import refuse_unsafe

if TYPE_CHECKING:
    from checks.facts.host import Host


class Archived(msgspec.Struct, frozen=True):
    """When the last good backup ended, in Unix seconds by the server's clock; None where there is none.
    `failing` is what it says of attempts that failed since."""

    at: float | None
    failing: str = ""


@fact
class DatabaseBackup(OfDatabase, frozen=True):
    """The last good backup by the server's own catalogue, or by a query whose first value is its moment."""

    value_type: ClassVar[type] = Archived
    what: ClassVar[str] = "when it was last saved"
    query: str = ""

    def __post_init__(self) -> None:
        OfDatabase.__post_init__(self)
        if self.query and not is_open(self.url) and not is_open(self.query):
            refuse_unsafe(self.query, self.product)

    def statements(self) -> tuple[str, ...]:
        from checks.facts.dbstatements import BACKUP

        if self.query:
            return (self.query,)
        if self.product not in BACKUP:
            raise NotReadable(
                "this product keeps no catalogue of backups; give `query` or `file`", "unsupported"
            )
        return (BACKUP[self.product],)

    def needed(self) -> tuple[str, ...]:
        from checks.facts.dbstatements import backup_needs

        return () if self.query else backup_needs(self.product, self.login)

    def read(self, host: Host) -> Archived:
        rows = self.talk(host).rows().rows
        with as_asked():
            if not rows or rows[0][0] is None:
                return Archived(None)
            told = rows[0][1] if not self.query and len(rows[0]) > 1 else None
            return Archived(moment(rows[0][0]), text_of(told)[:200])

    @classmethod
    def settled(cls, value: Archived) -> dict[str, bool]:
        """Whether there is one, and whether attempts fail: it is meant to be newer every day."""
        return {"found": value.at is not None, "failing": bool(value.failing)}
