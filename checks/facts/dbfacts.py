"""Facts of any database: who gets in, how texts are kept, what a login may, connections, rows of a query.

What is asked of each product stands in `checks.facts.dbstatements`; how an answer is read, here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from checks.fact import NotReadable, fact
from checks.facts.asks import Ask
from checks.facts.database import Refused, Rows, Talked
from checks.facts.dbbase import UNANSWERED, OfDatabase, as_asked, first_of, row_of, text_of, whole
from checks.facts.dburl import address_of, is_open
from checks.facts.sqltext import literal, refuse_unsafe

if TYPE_CHECKING:
    from checks.facts.host import Host


class Login(msgspec.Struct, frozen=True):
    """What came of logging in: ``in``, or why not (`UNANSWERED`), with the server's words.

    `version` is how the server puts it, `latency_ms` from the first packet to an answered query, `encrypted`
    whether TLS carried it (None where the driver does not tell). `tunnelled`: the way to the target is in the
    time.
    """

    outcome: str
    detail: str = ""
    version: str = ""
    latency_ms: float = 0.0
    encrypted: bool | None = None
    tunnelled: bool = False


@fact
class DatabaseLogin(OfDatabase, frozen=True):
    """Whether a login gets in, how long that takes, and into what version."""

    value_type: ClassVar[type] = Login
    what: ClassVar[str] = "for its version"

    def statements(self) -> tuple[str, ...]:
        from checks.facts.dbstatements import VERSION

        return (VERSION[self.product],)

    def read(self, host: Host) -> Login:
        try:
            said = self.talk(host)
        except NotReadable as problem:
            if problem.cause in UNANSWERED:
                return Login(problem.cause, problem.reason)
            raise
        got = said.results[0]
        if isinstance(got, Refused):
            if got.cause in UNANSWERED:
                return Login(got.cause, got.reason)
            raise NotReadable(got.reason, got.cause)
        took = round(said.login_ms + 2000 * said.moments[0][1], 3)
        return Login("in", "", text_of(first_of(got))[:200], took, said.encrypted, host.distant)

    @classmethod
    def settled(cls, value: Login) -> dict[str, Any]:
        """What came of it, version and encryption: how long it took and the words for it vary."""
        return {"outcome": value.outcome, "version": value.version, "encrypted": value.encrypted}


class Encoding(msgspec.Struct, frozen=True):
    """How a database keeps texts: its encoding and collation, and those of the connection.

    `odd` names what has another encoding or collation than the database (at most 20 of `odd_count`).
    """

    encoding: str
    collation: str
    connection: str = ""
    odd: tuple[str, ...] = ()
    odd_count: int = 0


@fact
class DatabaseEncoding(OfDatabase, frozen=True):
    """Encoding and collation of a database, its tables and columns, and the connection."""

    value_type: ClassVar[type] = Encoding
    what: ClassVar[str] = "how it keeps texts"

    def statements(self) -> tuple[str, ...]:
        from checks.facts.dbstatements import ENCODING

        return ENCODING[self.product]

    def needed(self) -> tuple[str, ...]:
        from checks.facts.dbstatements import encoding_needs

        return encoding_needs(self.product, self.login, address_of(self.url).database)

    def read(self, host: Host) -> Encoding:
        said = self.talk(host)
        encoding, collation, connection = (text_of(each) for each in row_of(said.rows(0), 3))
        if len(said.results) == 1:
            return Encoding(encoding, collation, connection)
        with as_asked():
            names = tuple(f"{text_of(row[0])}: {text_of(row[1])}" for row in said.rows(1).rows)
        return Encoding(encoding, collation, connection, names[:20], len(names))


class Rights(msgspec.Struct, frozen=True):
    """What a login may beyond its own data: `all_powerful` names what makes it an administrator, `broad` what
    reaches further than one application needs."""

    user: str
    all_powerful: tuple[str, ...] = ()
    broad: tuple[str, ...] = ()


@fact
class DatabaseRights(OfDatabase, frozen=True):
    """The administrator's rights of the login itself, or of another user that is named."""

    value_type: ClassVar[type] = Rights
    what: ClassVar[str] = "what a user may"
    user: str = ""

    def __post_init__(self) -> None:
        OfDatabase.__post_init__(self)
        if self.user and not is_open(self.user):
            literal(self.user)

    def statements(self) -> tuple[str, ...]:
        from checks.facts.dbstatements import rights

        return rights(self.product, self.user)

    def needed(self) -> tuple[str, ...]:
        from checks.facts.dbstatements import rights_needs

        return rights_needs(self.product, self.login, self.user)

    def read(self, host: Host) -> Rights:
        from checks.facts.dbstatements import read_rights

        said = self.talk(host)
        rows = said.rows(0).rows
        if not rows:
            raise NotReadable(f"there is no user {self.user}, or the login may not see it", "absent")
        with as_asked():
            name = self.user or text_of(rows[0][0])
            powerful, broad = read_rights(self.product, rows)
        return Rights(name, powerful, broad)


class Connections(msgspec.Struct, frozen=True):
    """Connections that are open, and how many an ordinary user can have open altogether."""

    used: int
    limit: int

    @property
    def percent(self) -> float:
        return 100.0 * self.used / self.limit if self.limit else 100.0


@fact
class DatabaseConnections(OfDatabase, frozen=True):
    """Connections of a server, used and possible."""

    value_type: ClassVar[type] = Connections
    what: ClassVar[str] = "for its connections"

    def statements(self) -> tuple[str, ...]:
        from checks.facts.dbstatements import CONNECTIONS

        return CONNECTIONS[self.product]

    def needed(self) -> tuple[str, ...]:
        from checks.facts.dbstatements import connections_needs

        return connections_needs(self.product, self.login)

    def read(self, host: Host) -> Connections:
        said = self.talk(host)
        used, limit = row_of(said.rows(), 2)
        if len(said.results) == 2:
            used, limit = limit, row_of(said.rows(1), 1)[0]
        if used is None:
            raise NotReadable(f"needs: {' '.join(self.needed())}", "denied")
        return Connections(whole(used), whole(limit))

    @classmethod
    def settled(cls, value: Connections) -> dict[str, int]:
        """The limit: how many are open never stands still."""
        return {"limit": value.limit}


@fact
class QueryRows(OfDatabase, frozen=True):
    """The rows of a statement that a profile gave; `cap` is how many are wanted.

    Raises `BadInput` for a statement that does more than read.
    """

    value_type: ClassVar[type] = Rows
    what: ClassVar[str] = "the query of the profile"
    query: str = ""
    cap: int | str = 1000

    def __post_init__(self) -> None:
        OfDatabase.__post_init__(self)
        if self.query and not is_open(self.url) and not is_open(self.query):
            refuse_unsafe(self.query, self.product)

    def statements(self) -> tuple[str, ...]:
        return (self.query,)

    def read(self, host: Host) -> Rows:
        cap = self.cap if isinstance(self.cap, int) else 1000
        said: Talked = host.talk(self._ask(min(max(cap, 1), 10_000)))
        return said.rows()

    def asks(self) -> tuple[Ask, ...]:
        cap = self.cap if isinstance(self.cap, int) else 1000
        return (self._ask(min(max(cap, 1), 10_000)),)
