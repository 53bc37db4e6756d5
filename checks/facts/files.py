"""Files: what they are, and the one line of a file that a pattern finds."""

from __future__ import annotations

import contextlib
import re
import stat as modes
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, StatPath
from checks.facts.secrets import holds_a_secret, masked

if TYPE_CHECKING:
    from checks.facts.host import Host

LINE_LIMIT: Final = 4096
"""Characters of a line that a pattern sees: bounds what a slow pattern can cost."""

TEXT_LIMIT: Final = 200


class FileInfo(msgspec.Struct, frozen=True):
    """What a path is, links followed: `mode` in octal, `size` in bytes, `mtime` in whole Unix seconds.

    `uid` and `gid` are the owner's numbers, -1 where they are not known.
    """

    exists: bool
    type: str = ""
    owner: str = ""
    group: str = ""
    mode: str = ""
    size: int = 0
    mtime: int = 0
    uid: int = -1
    gid: int = -1


@fact
class FileStat(Fact, frozen=True):
    """What a path is and whose; a path that is not there is a value too."""

    value_type: ClassVar[type] = FileInfo
    path: str

    def describe(self) -> str:
        return f"stat {self.path}"

    def asks(self) -> tuple[Ask, ...]:
        return (StatPath(self.path),)

    def read(self, host: Host) -> FileInfo:
        from checks.facts.pathinfo import file_type
        from checks.facts.process import user_name

        try:
            seen = host.stat(self.path)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            return FileInfo(False)
        return FileInfo(
            True,
            file_type(seen.mode),
            seen.user or user_name(seen.uid),
            seen.group or group_name(seen.gid),
            f"{modes.S_IMODE(seen.mode):04o}",
            seen.size,
            seen.mtime,
            seen.uid,
            seen.gid,
        )

    @classmethod
    def settled(cls, value: FileInfo) -> dict[str, Any]:
        """Size and time of a regular file say that somebody wrote it; those of a folder that it is used."""
        if not value.exists:
            return {"exists": False}
        kept = {name: getattr(value, name) for name in ("exists", "type", "owner", "group", "mode")}
        if value.type != "file":
            return kept
        return kept | {"size": value.size, "mtime": _moment_text(value.mtime)}


class LineMatch(msgspec.Struct, frozen=True):
    """The first line that a pattern finds: its number from 1, its text, what the first group caught.

    `withheld`: the line looks like it holds a secret, so text and group are not kept.
    """

    found: bool
    line: int = 0
    text: str = ""
    caught: str | None = None
    withheld: bool = False


@fact
class FileMatch(Fact, frozen=True):
    """The first line of a text file in which a regular expression is found."""

    value_type: ClassVar[type] = LineMatch
    path: str
    pattern: str

    def describe(self) -> str:
        return f"search {self.path} for {self.pattern}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(self.path),)

    def read(self, host: Host) -> LineMatch:
        try:
            pattern = re.compile(self.pattern)
        except re.error as error:
            raise NotReadable(
                f"{self.pattern!r} is not a regular expression: {error}", "unsupported"
            ) from error
        return first_match(text_of(self.path, host.read_bytes(self.path)), pattern)

    @classmethod
    def settled(cls, value: LineMatch) -> dict[str, Any]:
        """The line but not its number: what stands above it may grow."""
        return {name: getattr(value, name) for name in ("found", "text", "caught", "withheld")}


def first_match(text: str, pattern: re.Pattern[str]) -> LineMatch:
    """The first line that matches, bounded, without what looks secret."""
    for number, line in enumerate(text.splitlines(), 1):
        found = pattern.search(line[:LINE_LIMIT])
        if found is not None:
            if holds_a_secret(line[:LINE_LIMIT]):
                return LineMatch(True, number, withheld=True)
            caught = found[1] if pattern.groups else None
            return LineMatch(
                True,
                number,
                masked(line.strip()[:LINE_LIMIT])[:TEXT_LIMIT],
                None if caught is None else masked(caught)[:TEXT_LIMIT],
            )
    return LineMatch(False)


def text_of(path: str, data: bytes) -> str:
    """A file's text: UTF-8; UTF-16 where it says so; GB18030 where it is Chinese; else Latin-1.

    A UTF-8 text with a few broken bytes stays one. Raises `NotReadable` (binary) where it is no text.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data:
        raise NotReadable(f"{path} is not a text file", "binary")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _other_text(data)


def _other_text(data: bytes) -> str:
    """The text of bytes that are no clean UTF-8."""
    mended = data.decode("utf-8-sig", errors="replace")
    broken = mended.count("\ufffd")
    sound = len(re.findall(r"[\u0080-\ufffc\U00010000-\U0010ffff]", mended))
    if sound > 10 * broken:
        return mended
    with contextlib.suppress(UnicodeDecodeError):
        text = data.decode("gb18030")
        # Two letters of Latin-1 also make a sign of GB18030, but hardly ever one of the older GB 2312, which
        # nearly all Chinese text is written with.
        signs = re.findall(r"[\u3000-\u9fff]", text)[:1000]
        if signs and len("".join(signs).encode("gb2312", "ignore")) > 1.6 * len(signs):
            return text
    return data.decode("latin-1")


def _moment_text(seconds: int) -> str:
    from datetime import UTC, datetime

    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # a file may claim any year
        return str(seconds)


def group_name(gid: int) -> str:
    """The name of a group, or the number where there is none."""
    try:
        import grp

        return grp.getgrgid(gid).gr_name
    except (ImportError, KeyError):
        return str(gid)
