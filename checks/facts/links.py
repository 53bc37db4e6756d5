"""Symbolic links: whether a path is one and what stands in it; and checksums other than SHA-256 (readlink(1),
md5sum(1), sha512sum(1), all of them in BusyBox as well)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, RunCommand, StatPath

if TYPE_CHECKING:
    from checks.facts.host import Host

TIMEOUT_S: Final = 4.0
SUM_TIMEOUT_S: Final = 30.0

TOOLS: Final = {"md5": "md5sum", "sha1": "sha1sum", "sha512": "sha512sum"}
_SUM: Final = re.compile(rb"\\?([0-9a-f]{32,128})[ ]")


class Link(msgspec.Struct, frozen=True):
    """A path: whether it is a link and to what (as written in it); `exists`: it leads to something."""

    link: bool
    target: str = ""
    exists: bool = False


@fact
class SymbolicLink(Fact, frozen=True):
    """What a symbolic link holds; a path that is none, or not there, is a value too."""

    value_type: ClassVar[type] = Link
    path: str

    def describe(self) -> str:
        return f"read the link {self.path}"

    def asks(self) -> tuple[Ask, ...]:
        return (self._command(), StatPath(self.path))

    def read(self, host: Host) -> Link:
        host.want(self.asks())
        done = host.execute(self._command())
        try:
            host.stat(self.path)
            exists = True
        except NotReadable as problem:
            # A link that leads nowhere is absent; one that leads in a circle cannot be followed at all.
            if problem.cause not in ("absent", "failed"):
                raise
            exists = False
        if done.status:
            return Link(False, exists=exists)
        return Link(True, done.out.decode(errors="replace").removesuffix("\n"), exists)

    def _command(self) -> RunCommand:
        return RunCommand(("readlink", _plain(self.path)), TIMEOUT_S)


class Sum(msgspec.Struct, frozen=True):
    """A checksum as hex digits; `found` is False where there is no such file."""

    found: bool
    digits: str = ""


@fact
class FileSum(Fact, frozen=True):
    """The checksum of a file by an algorithm of `TOOLS`."""

    value_type: ClassVar[type] = Sum
    deadline_s: ClassVar[float] = SUM_TIMEOUT_S + 5.0
    path: str
    algorithm: str = "sha512"

    def describe(self) -> str:
        return f"{self.algorithm} of {self.path}"

    def asks(self) -> tuple[Ask, ...]:
        return (self._command(), StatPath(self.path))

    def read(self, host: Host) -> Sum:
        from checks.facts.pathinfo import file_type

        try:
            seen = host.stat(self.path)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            return Sum(False)
        if file_type(seen.mode) != "file":
            raise NotReadable(f"{self.path} is not a regular file", "unsupported")
        done = host.execute(self._command())
        found = _SUM.match(done.out)
        if done.status or found is None:
            raise NotReadable(f"{TOOLS.get(self.algorithm, '')}: {done.complaint}", "denied")
        return Sum(True, found[1].decode())

    def _command(self) -> RunCommand:
        return RunCommand((TOOLS.get(self.algorithm, "sha512sum"), _plain(self.path)), SUM_TIMEOUT_S)


def _plain(path: str) -> str:
    """A path that no program takes for an option."""
    return f"./{path}" if path.startswith("-") else path
