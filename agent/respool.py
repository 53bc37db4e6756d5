"""Waiting runs made anew when the rules of redaction were tightened: a body is never rewritten.

The old body is decoded, redacted again and spooled as another run, under the next number, that names the old
one in ``replaces``; only then is the old one removed. A crash in between leaves both, and the next call
removes the old one. What was delivered cannot be called back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import msgspec

from agent.config import load_config
from agent.durable import sync_folder
from agent.identity import Identity, enrolled, read_key
from agent.lock import exclusive
from agent.paths import State
from agent.redaction.at_site import report_for
from agent.report import body_of
from agent.sequence import next_number
from agent.ship import newest
from agent.spool import Spool, Spooled, kept_or_loud
from agent.upkeep import Upkeep
from checks.envelope import seal
from checks.errors import BadInput
from checks.ids import new_run_id
from checks.model import RunReport, decode_report

OVERWRITE = 64 * 1024
MOST_REPLACED = 1000
"""As many numbers as a report may name that it stands for: so often was nothing ever made anew."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """What became of one waiting run: `replaced` by the run `by`, `unchanged`, `finished` (it had been
    replaced before, and only its removal was missing), or `left` as it is, with the reason."""

    outcome: Literal["replaced", "unchanged", "finished", "left"]
    entry: Spooled
    by: str = ""
    detail: str = ""


class _Naming(msgspec.Struct):
    """The two fields of a body that say what it stands for."""

    run: str
    replaces: str | None = None


def respool(
    state: State, only: Iterable[Spooled] | None = None, *, step: Callable[[str], None] = lambda _: None
) -> list[Replaced]:
    """Redact all waiting runs (or `only` these) again, oldest first, and say what became of each.

    `step` is told between the steps of each; tests end the process there. Raises `BadInput` where this
    machine is not enrolled or a rule is wrong, `Busy` while another process delivers, `SpoolFull` where a new
    run cannot be kept: its old one then stays.
    """
    identity = enrolled(state)
    spool = Spool(state.spool)
    with kept_or_loud("the runs made anew"), exclusive(state.delivery_lock, wait_s=30):
        spool.prepare()
        # A count that a waiting run carries is settled first, so that its successor does not carry it twice.
        Upkeep(state, spool, load_config(state), lambda *_: None).before(time.time())
        pending = spool.pending()
        chosen = pending if only is None else [entry for entry in only if entry in pending]
        successors = _successors(spool, pending + spool.kept())
        return [
            _finished(spool, entry, successors[entry.run])
            if entry.run in successors
            else _again(state, spool, identity, entry, step)
            for entry in chosen
        ]


def _again(
    state: State, spool: Spool, identity: Identity, entry: Spooled, step: Callable[[str], None]
) -> Replaced:
    try:
        envelope = spool.read(entry)
        old = decode_report(envelope.body)
    except (BadInput, OSError, msgspec.MsgspecError) as error:
        return Replaced("left", entry, detail=f"it cannot be read: {error}")
    if envelope.seal.agent != identity.agent:
        detail = f"it was made as agent {envelope.seal.agent}, whose key is not here any more"
        return Replaced("left", entry, detail=detail)
    clean = report_for(state, old)
    if clean == old:
        return Replaced("unchanged", entry)
    with next_number(state, identity.agent, lambda: newest(state, spool, identity.agent)) as number:
        run = new_run_id()
        made: RunReport = msgspec.structs.replace(
            clean,
            run=run,
            sequence=number.sequence,
            previous=number.previous,
            replaces=entry.run,
            replaced=(*old.replaced, old.sequence)[-MOST_REPLACED:],
        )
        sealed = seal(identity.agent, run, body_of(made), read_key(state.root / identity.key_file))
        step("made")
        number.take(sealed.seal.hash)
        step("numbered")
        spool.add(sealed)
    step("kept")
    _wipe(entry)
    step("wiped")
    spool.remove(entry)
    sync_folder(spool.waiting)
    return Replaced("replaced", entry, by=run)


def _successors(spool: Spool, entries: Iterable[Spooled]) -> dict[str, str]:
    """Which runs have been replaced already, and by which."""
    found = {}
    for entry in entries:
        with suppress(BadInput, OSError, msgspec.MsgspecError):
            naming = msgspec.json.decode(spool.read(entry).body, type=_Naming)
            if naming.replaces:
                found[naming.replaces] = naming.run
    return found


def _finished(spool: Spool, entry: Spooled, by: str) -> Replaced:
    _wipe(entry)
    spool.remove(entry)
    sync_folder(spool.waiting)
    return Replaced("finished", entry, by=by)


def _wipe(entry: Spooled) -> None:
    """Overwrite a body before its file is removed. Flash storage and journals may keep older copies."""
    with suppress(OSError), entry.path.open("r+b") as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0:
            left -= file.write(b"\0" * min(left, OVERWRITE))
        file.flush()
        os.fsync(file.fileno())
