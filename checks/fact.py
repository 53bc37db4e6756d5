"""What can be read from a target, and what a read gave.

A fact is a declared, hashable, serialisable value that does nothing by itself; collectors ask it to read.
A reading is the fact's value at one moment, `Unavailable`, or `Redacted`. A failed read is never an
exception for the reader of this module and never an empty default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

if TYPE_CHECKING:
    from checks.facts.asks import Ask
    from checks.facts.host import Host

F = TypeVar("F", bound="type[Fact]")


class Unavailable(msgspec.Struct, frozen=True, tag="unavailable", tag_field="state"):
    """The fact could not be read; `reason` is for people, `cause` a code.

    Causes: ``timeout``, ``stuck``, ``denied``, ``absent``, ``unsupported``, ``parse``, ``too-large``,
    ``binary``, ``dns``, ``refused``, ``no-route``, ``failed``.
    """

    reason: str
    cause: str = "failed"


class Redacted(msgspec.Struct, frozen=True, tag="redacted", tag_field="state"):
    """The value was replaced before it left memory; the same value always has the same token."""

    token: str


class Known(msgspec.Struct, frozen=True, tag="known", tag_field="state"):
    """The fact's value, of the type its class declares (plain JSON shapes after loading a snapshot)."""

    value: Any


Reading = Known | Unavailable | Redacted


class NotReadable(Exception):
    """Raised inside a fact's own `read` to say why; collectors turn it into `Unavailable`."""

    def __init__(self, reason: str, cause: str = "failed") -> None:
        super().__init__(reason)
        self.reason, self.cause = reason, cause


class Fact(msgspec.Struct, frozen=True):
    """Base of all facts. A subclass declares its parameters as fields and the type of its value.

    A field may hold ``{parameter}`` placeholders in a check's declaration; the plan fills them in.
    """

    value_type: ClassVar[Any] = None
    deadline_s: ClassVar[float] = 5.0

    def id(self) -> str:
        """``DiskUsage(mount=/data)``: the fact's name in plans, snapshots and data tests."""
        fields = ", ".join(f"{name}={getattr(self, name)}" for name in self.__struct_fields__)
        return f"{type(self).__name__}({fields})"

    def describe(self) -> str:
        """What reading it touches, for the printed plan: a command, file, query or destination."""
        raise NotImplementedError

    def asks(self) -> tuple[Ask, ...]:
        """All that reading it may ask of a machine, known before anything is read.

        What depends on another reading is a template (`checks.facts.asks`). An ask that is not among them
        is refused when it comes.
        """
        raise NotImplementedError

    def grants(self) -> tuple[str, ...]:
        """What has to be allowed in a database or service for it to be read, as statements to paste."""
        return ()

    def read(self, host: Host) -> Any:
        """The value, read through that host now. Raises `NotReadable` (or `OSError`) where it cannot."""
        raise NotImplementedError

    @classmethod
    def settled(cls, value: Any) -> Any:
        """The value without what changes by itself: what two runs are compared by, and what is shown of it.

        `value` is of the declared type. What is left out here still counts where a check judges it.
        """
        return value

    @classmethod
    def series(cls, value: Any) -> Mapping[str, float]:
        """The numbers of the value that later runs may want to recall, by name: they make forecasts.

        `value` is of the declared type. Few and small: they are kept for every run.
        """
        del value
        return {}


FACTS: dict[str, type[Fact]] = {}
"""Every fact class by name, for loading snapshots and for data tests."""


def fact(cls: F) -> F:
    """Class decorator: make a fact known by its name."""
    FACTS[cls.__name__] = cls
    return cls
