"""Runs on their way: kept until the collector has acknowledged them, and some days longer.

`pending/` holds what is to be sent, in the order of the agent's numbers; `sent/` what was acknowledged;
`quarantine/` what can never be accepted, each with the reason beside it. A body is never rewritten. When
`Spool.add` returns, the run survives a power cut; when it cannot promise that, it raises.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent.durable import (
    make_folder,
    move_durably,
    read_bounded,
    sweep,
    sync_folder,
    write_durably,
    write_quickly,
)
from checks.envelope import Ack, Envelope, from_bytes
from checks.errors import BadInput, SpoolFull

SUFFIX = ".run"
DAY_S = 86400.0
LARGEST_RUN = 64 * 1024 * 1024
"""Bytes of a run's file that are read; no collector takes half of it."""

_NAME = re.compile(r"(\d{12,16})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.run")


class Unreadable(BadInput):
    """A run's file is there and cannot be read; that may pass."""


class _Numbered(msgspec.Struct):
    """The two fields of a body that name its file."""

    run: str
    sequence: int


@dataclass(frozen=True, slots=True, order=True)
class Spooled:
    """A run's file; sorts by number."""

    sequence: int
    run: str
    path: Path

    @property
    def place(self) -> str:
        """``pending``, ``sent`` or ``quarantine``."""
        return self.path.parent.name

    @property
    def made(self) -> float:
        """When the run was made, in seconds since 1970 by this machine's clock: its id says so (RFC 9562)."""
        return int(self.run[:8] + self.run[9:13], 16) / 1000

    def note(self) -> str:
        """Why the run is held or in quarantine; empty where it is neither."""
        with suppress(OSError):
            return _beside(self.path, ".note").read_text(errors="replace").strip()
        return ""


@contextmanager
def kept_or_loud(what: str) -> Iterator[None]:
    """Turn every failure to write (disk full, read-only, not permitted) into `SpoolFull`."""
    try:
        yield
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise SpoolFull(f"{place}{error.strerror or error}; {what} was NOT kept") from error


class Spool:
    """The spool below a folder. Moves are made by one process at a time, under the delivery lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.waiting, self.sent, self.refused = (folder / n for n in ("pending", "sent", "quarantine"))
        self._places = (self.waiting, self.sent, self.refused)

    def prepare(self) -> None:
        """Make the folders. Raises `OSError`."""
        for place in self._places:
            make_folder(place)

    def add(self, envelope: Envelope) -> Spooled:
        """Keep a run, durably. The caller holds the sequence lock. Raises `SpoolFull`."""
        number = msgspec.json.decode(envelope.body, type=_Numbered)
        with kept_or_loud(f"run {number.run}"):
            self.prepare()
            path = self.waiting / f"{number.sequence:012d}-{number.run}{SUFFIX}"
            write_durably(path, envelope.to_bytes())
        return Spooled(number.sequence, number.run, path)

    def clean(self) -> None:
        """Remove what killed writers left half written. The caller holds the delivery and sequence locks."""
        for place in self._places:
            sweep(place)

    def anything_waits(self) -> bool:
        """Whether there is a run to be sent; cheaper than `pending`."""
        with suppress(OSError), os.scandir(self.waiting) as found:
            return any(_NAME.fullmatch(file.name) for file in found)
        return False

    def drop(self, entry: Spooled) -> None:
        """Remove a run, durably. Raises `OSError`."""
        self.remove(entry)
        sync_folder(entry.path.parent)

    def remove(self, entry: Spooled) -> None:
        """Remove a run's file and what lies beside it; nothing happens where it is gone. Raises `OSError`."""
        entry.path.unlink(missing_ok=True)
        _forget(entry.path, ".note")
        _forget(entry.path, ".ack")

    def pending(self) -> list[Spooled]:
        """What is to be sent, oldest number first."""
        return _runs(self.waiting)

    def kept(self) -> list[Spooled]:
        """What was acknowledged and is still here."""
        return _runs(self.sent)

    def quarantined(self) -> list[Spooled]:
        return _runs(self.refused)

    def strangers(self) -> list[Path]:
        """Files in ``pending/`` that end like a run but have no name that the spool gives."""
        known = {entry.path for entry in self.pending()}
        return sorted(path for path in self.waiting.glob(f"*{SUFFIX}") if path not in known)

    def find(self, run: str) -> Spooled:
        """The run whose id starts so, or has this number; raises `BadInput` where none or several do."""
        every = self.pending() + self.kept() + self.quarantined()
        found = [entry for entry in every if entry.run.startswith(run) or str(entry.sequence) == run]
        exact = [entry for entry in found if entry.run == run]
        if len(exact or found) == 1:
            return (exact or found)[0]
        if found:
            raise BadInput(f"{run}: {len(found)} runs in the spool begin so; give more of the id")
        raise BadInput(f"{run}: no such run in {self.folder}; firstlight spool list shows those there are")

    def read(self, entry: Spooled) -> Envelope:
        """The sealed run; raises `BadInput` where its file is torn, damaged or not what its name says, and
        `Unreadable` where the disk or its rights do not give it out just now."""
        try:
            envelope = from_bytes(read_bounded(entry.path, LARGEST_RUN))
            number = msgspec.json.decode(envelope.body, type=_Numbered)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise BadInput(f"{entry.path}: {error.strerror}") from error
        except OSError as error:
            raise Unreadable(f"{entry.path}: {error.strerror}") from error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadInput(f"{entry.path}: the body is no run: {error}") from error
        except BadInput as error:
            raise BadInput(f"{entry.path}: {error}") from error
        if not number.run == envelope.seal.run == entry.run or number.sequence != entry.sequence:
            raise BadInput(f"{entry.path}: holds run {number.run}, number {number.sequence}")
        return envelope

    def reseal(self, entry: Spooled, envelope: Envelope) -> None:
        """Put a new signature over the same body. Raises `SpoolFull`; the old one then stays."""
        with kept_or_loud(f"the new signature of run {entry.run}"):
            write_durably(entry.path, envelope.to_bytes())

    def mark_acknowledged(self, entry: Spooled, ack: Ack) -> None:
        """Move a run that the collector has stored. Raises `OSError`; the run then goes once more."""
        with suppress(OSError):  # a full disk must not keep the run pending
            write_quickly(self.sent / _beside(entry.path, ".ack").name, msgspec.json.encode(ack))
        with suppress(OSError):
            os.utime(entry.path)  # the seven days count from now
        _forget(entry.path, ".note")
        move_durably(entry.path, self.sent)

    def acknowledgement(self, entry: Spooled) -> Ack | None:
        """What the collector answered, where that is still here."""
        with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return msgspec.json.decode(read_bounded(_beside(entry.path, ".ack"), LARGEST_RUN), type=Ack)
        return None

    def hold(self, entry: Spooled, reason: str) -> None:
        """Note why a run is not taken yet; it stays pending."""
        with suppress(OSError):  # the note is a courtesy, the run itself is safe
            write_durably(_beside(entry.path, ".note"), reason.encode() + b"\n")

    def release(self, entry: Spooled) -> None:
        """Remove the note again."""
        _forget(entry.path, ".note")

    def quarantine(self, path: Path, reason: str) -> None:
        """Set a run aside that can never be accepted, with the reason beside it. Raises `OSError`."""
        write_durably(self.refused / _beside(path, ".note").name, reason.encode() + b"\n")
        _forget(path, ".note")
        move_durably(path, self.refused)

    def refused_at(self, entry: Spooled) -> float:
        """When a run was set aside, in seconds since 1970."""
        with suppress(OSError):
            return _beside(entry.path, ".note").stat().st_mtime
        return entry.made

    def put_back(self, entry: Spooled) -> Spooled:
        """Let a run that was refused, or is held, go with the next delivery. Raises `OSError`."""
        moved = entry.path if entry.place == "pending" else move_durably(entry.path, self.waiting)
        _forget(entry.path, ".note")
        return Spooled(entry.sequence, entry.run, moved)

    def send_again(self, above: int, agent: str) -> list[Spooled]:
        """Put acknowledged runs of an agent with higher numbers back, the lowest first; for a store that lost
        them."""
        again = []
        for entry in self.kept():
            if entry.sequence > above and self._is_of(entry, agent):
                again.append(Spooled(entry.sequence, entry.run, move_durably(entry.path, self.waiting)))
                _forget(entry.path, ".ack")
        return again

    def prune(self, days: float, now: float | None = None) -> int:
        """Remove what was acknowledged more than `days` ago; says how many runs went."""
        before = (time.time() if now is None else now) - days * DAY_S
        gone = 0
        for entry in self.kept():
            with suppress(OSError):
                if entry.path.stat().st_mtime < before:
                    self.remove(entry)
                    gone += 1
        return gone

    def _is_of(self, entry: Spooled, agent: str) -> bool:
        with suppress(BadInput, OSError):
            return self.read(entry).seal.agent == agent
        return False


def _runs(folder: Path) -> list[Spooled]:
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror}") from error
    found = ((_NAME.fullmatch(name), name) for name in names)
    return sorted(Spooled(int(m[1]), m[2], folder / name) for m, name in found if m)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name.removesuffix(SUFFIX) + suffix)


def _forget(path: Path, suffix: str) -> None:
    with suppress(OSError):
        _beside(path, suffix).unlink()
