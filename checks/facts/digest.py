"""What a file holds, as one digest, where its absence is an answer too."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, HashFile

if TYPE_CHECKING:
    from checks.facts.host import Host


class Digest(msgspec.Struct, frozen=True):
    """Whether a file is there, and its SHA-256 as 64 hex digits."""

    found: bool
    sha256: str = ""


@fact
class FileDigest(Fact, frozen=True):
    """The SHA-256 of a file of any size; one that is not there is a value too."""

    value_type: ClassVar[type] = Digest
    deadline_s: ClassVar[float] = 35.0
    path: str

    def describe(self) -> str:
        return HashFile(self.path).describe()

    def asks(self) -> tuple[Ask, ...]:
        return (HashFile(self.path),)

    def read(self, host: Host) -> Digest:
        try:
            return Digest(True, host.sha256(self.path))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            return Digest(False)
