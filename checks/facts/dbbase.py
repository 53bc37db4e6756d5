"""What all facts of databases share: where, as whom, how long, and how an answer is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Final

from checks.fact import Fact, NotReadable
from checks.facts.asks import Ask
from checks.facts.database import MAX_TIMEOUT_S, AskDatabase, Cell, Rows, Talked
from checks.facts.dburl import Product, address_of, is_open, refuse_bad_url
from checks.facts.named_secret import refuse_unnamed

if TYPE_CHECKING:
    from checks.facts.host import Host

UNANSWERED: Final = (
    "refused",
    "timeout",
    "dns",
    "no-route",
    "login",
    "database",
    "closed",
    "tls",
    "full",
    "starting",
)
"""Causes that say of the database that one does not get in, and not that it could not be tried: a connection
that was lost may have been lost on the way."""

Timeout = float | str


class OfDatabase(Fact, frozen=True):
    """Base of what is asked of a database.

    `url` holds no password: `password` names it. `timeout` in seconds for the login, and once more for the
    statements. Raises `BadInput` where something else is given.
    """

    deadline_s: ClassVar[float] = 2 * MAX_TIMEOUT_S + 10.0
    what: ClassVar[str] = "what it is like"
    """What it is asked, where the product and so the statements are not known yet."""

    url: str
    password: str = ""
    tls: str = "auto"
    ca: str = ""
    timeout: Timeout = 5.0

    def __post_init__(self) -> None:
        refuse_bad_url(self.url)
        refuse_unnamed(self.password, "the database (password)")

    def statements(self) -> tuple[str, ...]:
        """What is asked, by product. Raises `NotReadable` (unsupported) where there is no way."""
        raise NotImplementedError

    def needed(self) -> tuple[str, ...]:
        """Statements that would allow it, for a login that may nothing."""
        return ()

    @property
    def product(self) -> Product:
        return address_of(self.url).product

    @property
    def login(self) -> str:
        """The login, as a statement names it."""
        return address_of(self.url).user or "firstlight"

    def describe(self) -> str:
        if is_open(self.url):
            return f"ask the database {self.url} {self.what}"
        try:
            return self._ask().describe()
        except NotReadable as problem:
            return f"nothing: {problem}"

    def asks(self) -> tuple[Ask, ...]:
        """The conversation; nothing where the product cannot be asked so."""
        try:
            return (self._ask(),)
        except NotReadable:
            return ()

    def grants(self) -> tuple[str, ...]:
        return () if is_open(self.url) else self.needed()

    def talk(self, host: Host) -> Talked:
        """The conversation. Raises `NotReadable` where there is none."""
        said: Talked = host.talk(self._ask())
        return said

    def _ask(self, cap: int = 1000) -> AskDatabase:
        timeout = self.timeout
        bounded = 5.0 if isinstance(timeout, str) else min(max(float(timeout), 0.1), MAX_TIMEOUT_S)
        return AskDatabase(
            self.url, self.password, self.statements(), bounded, cap, self.tls, self.ca, self.needed()
        )


def moment(value: Cell) -> float:
    """Unix seconds of a number of them or of an ISO text, which is UTC where it has no zone.

    Raises `NotReadable` (parse).
    """
    from datetime import UTC, datetime

    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        read = datetime.fromisoformat(str(value).strip())
    except ValueError as error:
        raise NotReadable(
            f"{str(value)!r:.60} is no moment; give Unix seconds or a timestamp", "parse"
        ) from error
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


@contextmanager
def as_asked() -> Iterator[None]:
    """Rows are read in here; whatever does not fit, because whoever answers is no such server, is
    `NotReadable` (parse)."""
    try:
        yield
    except (IndexError, ValueError, TypeError, OverflowError) as error:
        raise NotReadable("the server answered something else than was asked", "parse") from error


def row_of(rows: Rows, width: int) -> tuple[Cell, ...]:
    """The only row, of that many columns. Raises `NotReadable` (parse) where the answer is another."""
    if len(rows.rows) != 1 or len(rows.rows[0]) != width:
        raise NotReadable("the server answered something else than was asked", "parse")
    return rows.rows[0]


def first_of(rows: Rows) -> Cell:
    """The first column of the first row; empty where there is none."""
    return rows.rows[0][0] if rows.rows and rows.rows[0] else ""


def text_of(value: Cell) -> str:
    """A cell as text; nothing is empty."""
    return "" if value is None else str(value)


def whole(value: Cell) -> int:
    """A cell as a whole number. Raises `NotReadable` (parse)."""
    try:
        return int(float(str(value)))
    except (ValueError, OverflowError) as error:
        raise NotReadable(f"{str(value)!r:.60} is no number", "parse") from error
