"""How long a small write takes to be safe on disk, measured with a file of its own that no name leads to.

The file is made by mktemp(1) and its name removed before the first byte is written, so that whatever ends the
measurement, even a kill, leaves no data behind. Each write is a dd(1), which tells itself how long its write
and fsync(2) took, without its own start, here as over SSH. That of coreutils does, that of BusyBox where it
was built to (not Debian's).
"""

from __future__ import annotations

import re
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, RunCommand

if TYPE_CHECKING:
    from checks.facts.host import Host

WRITES: Final = 100
LEAST_WRITES: Final = 20
BLOCK: Final = 2300
"""Bytes of a write: what etcd appends to its log, and so the block of its storage tests with fio."""

MOST_S: Final = 20.0
TIMEOUT_S: Final = 30.0

# $1 the folder, $2 how many, $3 bytes of each, $4 seconds after which no further ten are begun. An empty file
# of this name is what a measurement leaves that was killed between making it and removing its name.
SCRIPT: Final = r"""
umask 077
for old in "$1"/.firstlight-write.*; do [ ! -f "$old" ] || [ -s "$old" ] || rm -f -- "$old"; done
f=$(mktemp "$1/.firstlight-write.XXXXXX") || exit 3
trap 'rm -f -- "$f"' EXIT
exec 3>"$f" && rm -f -- "$f" || exit 3
end=$(($(date +%s) + $4)); n=0
while [ $n -lt $2 ] && [ "$(date +%s)" -le $end ]; do
  i=0
  while [ $i -lt 10 ]; do dd if=/dev/zero bs="$3" count=1 conv=fsync >&3 || exit 4; i=$((i + 1)); done
  n=$((n + 10))
done
"""

_TOOK: Final = r"copied, (\d{1,9}(?:\.\d{1,12})?(?:e-\d{1,2})?) s(?:econds)?\b"


class WriteTimes(msgspec.Struct, frozen=True):
    """Milliseconds that a write took until it was on disk; the p99 is that of the nearest rank."""

    writes: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@fact
class WriteLatency(Fact, frozen=True):
    """Times of small writes with fsync in a folder. Reading this writes: 100 times 2300 bytes."""

    value_type: ClassVar[type] = WriteTimes
    deadline_s: ClassVar[float] = TIMEOUT_S + 3
    folder: str

    def describe(self) -> str:
        return f"write {WRITES} x {BLOCK} bytes with fsync to a file of its own in {self.folder}, then gone"

    def asks(self) -> tuple[Ask, ...]:
        return (self._command(),)

    def read(self, host: Host) -> WriteTimes:
        if not self.folder.startswith("/"):
            raise NotReadable(f"{self.folder!r} is not an absolute path", "unsupported")
        done = host.execute(self._command())
        if done.status != 0:
            raise NotReadable(done.complaint, _cause(done.complaint))
        return times_of(done.err.decode(errors="replace"))

    def _command(self) -> RunCommand:
        argv = ("sh", "-c", SCRIPT, "sh", self.folder, str(WRITES), str(BLOCK), f"{MOST_S:g}")
        return RunCommand(argv, TIMEOUT_S)

    @classmethod
    def settled(cls, value: WriteTimes) -> dict[str, Any]:
        """Nothing: no two measurements are equal."""
        del value
        return {}


def times_of(text: str) -> WriteTimes:
    """The times in what dd said of each write. Raises `NotReadable` where it told too few (parse) or none."""
    times = sorted(float(took[1]) * 1000 for took in re.finditer(_TOOK, text))
    if not times and "records out" in text:
        raise NotReadable("the dd of this machine does not tell how long a write took", "unsupported")
    if len(times) < LEAST_WRITES:
        raise NotReadable(f"dd told the time of {len(times)} writes only", "parse")
    return WriteTimes(len(times), _rank(times, 0.5), _rank(times, 0.99), round(times[-1], 3))


def _rank(times: list[float], share: float) -> float:
    return round(times[ceil(share * len(times)) - 1], 3)


def _cause(complaint: str) -> str:
    for words, cause in (
        ("Permission denied", "denied"),
        ("No such file or directory", "absent"),
        ("Not a directory", "unsupported"),
        ("Read-only file system", "unsupported"),
    ):
        if words in complaint:
            return cause
    return "failed"
