"""One key of a file, where its absence is an answer too, and what was accepted of it: for comparing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, RecallAccepted
from checks.facts.config import ConfigValue, Setting
from checks.facts.digest import Digest, FileDigest

if TYPE_CHECKING:
    from checks.facts.host import Host

MASK: Final = "***"
"""What stands for a password within a text (`checks.facts.secrets.masked`)."""


@fact
class ConfigState(ConfigValue, frozen=True):
    """One key of a configuration file; a file that is not there has no keys.

    A value of which a part was masked is withheld as a whole: what cannot be seen cannot be compared.
    """

    def read(self, host: Host) -> Setting:
        try:
            setting = super().read(host)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            return Setting(False)
        return Setting(True, withheld=True) if MASK in str(setting.value) else setting


class Was(msgspec.Struct, frozen=True):
    """What was accepted of a file or a key: neither is there where nothing was. `by` whom, and when."""

    setting: Setting | None = None
    digest: Digest | None = None
    by: tuple[str, ...] = ()
    at: datetime | None = None


@fact
class AcceptedContent(Fact, frozen=True):
    """What `ConfigState` (or `FileDigest`, without a key) was when the target's state was accepted."""

    value_type: ClassVar[type] = Was
    path: str
    format: str
    key: str
    include: tuple[str, ...] | str = ()

    def describe(self) -> str:
        return self.asks()[0].describe()

    def asks(self) -> tuple[Ask, ...]:
        return (RecallAccepted(self._meant().id()),)

    def read(self, host: Host) -> Was:
        found = host.accepted(self._meant().id())
        if found is None:
            return Was()
        try:
            if self.key:
                return Was(msgspec.convert(found.value, Setting), None, found.by, found.at)
            return Was(None, msgspec.convert(found.value, Digest), found.by, found.at)
        except msgspec.ValidationError as problem:
            raise NotReadable(f"what was accepted is of another form: {problem}", "parse") from problem

    def _meant(self) -> Fact:
        if not self.key:
            return FileDigest(self.path)
        return ConfigState(self.path, self.format, self.key, self.include)
