"""A conversation with a database: one connection, reading statements, their rows; nothing is left behind.

It is held by `checks.facts.dbtalk`; how each product is dialled and bounded stands in
`checks.facts.dbdrivers`, what its errors mean in `checks.facts.dberrors`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec

from checks.fact import NotReadable
from checks.facts.asks import Talk
from checks.facts.dburl import Address, address_of
from checks.facts.sqltext import flat

if TYPE_CHECKING:
    from checks.facts.dial import Dialer

MAX_TIMEOUT_S: Final = 60.0
ROW_CAP: Final = 1000
CELL_LIMIT: Final = 2000
"""Characters of a cell that are kept."""

Cell = str | int | float | bool | None


class Rows(msgspec.Struct, frozen=True, tag="rows"):
    """What a statement gave, row by row; `cut` says that there were more rows than were wanted."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    cut: bool = False


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Why one statement gave nothing, as `Unavailable` puts it."""

    reason: str
    cause: str = "failed"


class Talked(msgspec.Struct, frozen=True):
    """What came of a conversation: one result a statement. `login_ms` is from the first packet to a session
    that answers, `encrypted` whether all of it went through TLS (None where the driver does not tell).
    `moments` are the agent's clock in the middle of each statement and half of how long that took, in Unix
    seconds and seconds."""

    results: tuple[Rows | Refused, ...]
    login_ms: float = 0.0
    encrypted: bool | None = None
    moments: tuple[tuple[float, float], ...] = ()

    def rows(self, at: int = 0) -> Rows:
        """The rows of a statement. Raises `NotReadable` where it gave none."""
        found = self.results[at]
        if isinstance(found, Refused):
            raise NotReadable(found.reason, found.cause)
        return found


class AskDatabase(Talk, frozen=True, tag="database"):
    """Statements to run in one read-only transaction.

    `timeout` in seconds is for the login, and once more for all statements together. `password` names a
    secret and `ca` a file of the agent's machine. `needs` is what to grant where a privilege is missing.
    """

    url: str
    password: str
    statements: tuple[str, ...]
    timeout: float = 5.0
    row_cap: int = ROW_CAP
    tls: str = "auto"
    ca: str = ""
    needs: tuple[str, ...] = ()

    @property
    def address(self) -> Address:
        return address_of(self.url)

    @property
    def destination(self) -> tuple[str, int | str]:
        return self.address.host, self.address.port

    def describe(self) -> str:
        user = self.address.user
        who = f" as {user}" if user else ""
        return f"ask {self.address}{who}: {'; '.join(map(flat, self.statements))}"

    def talk(self, dialer: Dialer) -> Talked:
        from checks.facts.dbtalk import converse

        return converse(self, dialer)


def plain(value: Any) -> Cell:
    """A driver's value as one that travels: numbers as numbers, moments as ISO text in UTC where they have a
    zone, durations in seconds, bytes by their length, text masked and cut."""
    from datetime import UTC, date, datetime, timedelta
    from decimal import Decimal

    from checks.facts.secrets import masked

    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return f"{len(data)} bytes"
        return masked(text)[:CELL_LIMIT]
    return masked(str(value))[:CELL_LIMIT]


def _number(value: Any) -> Cell:
    if not value.is_finite():
        return str(value)
    if value.adjusted() > 18 or value.adjusted() < -30:
        return str(value)[:CELL_LIMIT]
    return int(value) if value == value.to_integral_value() else float(value)
