"""Taking in what the collector answered to an export: each run settled as an answer over HTTP would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

import msgspec

from agent.carry.exports import load, remember
from agent.contact import Delivered, last_delivered, note_delivered
from agent.delivery import Delivery
from agent.held import in_words
from agent.identity import Identity, enrolled, learnt, save_identity
from agent.lock import exclusive
from agent.paths import State
from agent.spool import Spool, Spooled
from agent.uplink import HOLD, RETRY
from checks.carried import Answered, Receipts
from checks.envelope import Ack
from checks.errors import BadInput
from checks.signed import parse, raw_key, signer


@dataclass(slots=True)
class Settled:
    """What became of the runs in a receipts file. `done` are those that were still pending here, `before` how
    many had been settled already, `again` how many go once more because the collector's store began a new
    life. `rules` is the signed file that came along, empty where none did.
    """

    receipts: Receipts
    done: list[Delivery] = field(default_factory=list)
    before: int = 0
    again: int = 0
    rules: bytes = b""

    def count(self, outcome: str) -> int:
        return sum(1 for delivery in self.done if delivery.outcome == outcome)


def settle(state: State, data: bytes) -> Settled:
    """Verify a receipts file with the pinned key and do to the spool what each answer says.

    Taking the same file in again changes nothing. Raises `BadInput` for a file that is not whole, not the
    collector's, another agent's, or of a life of the store that is over; `Busy`; and `OSError` where the
    spool cannot be changed (the rest is then done by taking the file in again).
    """
    enrolled(state)
    with exclusive(state.delivery_lock, wait_s=60):
        identity = enrolled(state)
        receipts = verified(data, identity)
        if receipts.epoch != identity.epoch and receipts.epoch in load(state).epochs:
            raise BadInput(
                "receipts of an earlier life of the collector's store, which was restored since; export again"
            )
        spool = Spool(state.spool)
        spool.prepare()
        settled = Settled(receipts, rules=receipts.rules)
        newest: tuple[int, str] | None = None
        again: set[str] = set()
        if identity.epoch and receipts.epoch != identity.epoch:
            # What it still holds of earlier runs is not in the file, so all that is kept goes again.
            again = {entry.run for entry in spool.send_again(0, identity.agent)}
        for entry, answer in _pending(spool, receipts, settled):
            if answer.status in (200, 201):
                newest = max(newest or (0, ""), (entry.sequence, _hash_of(spool, entry)))
            settled.done.append(_apply(spool, identity, entry, answer, receipts))
            again.discard(entry.run)
        settled.again = len(again)
        told = learnt(identity, receipts.epoch, receipts.targets)
        if told != identity:
            save_identity(state, told)
        if newest:
            _note(state, receipts, *newest)
        for epoch in (identity.epoch, receipts.epoch):
            with suppress(OSError):
                remember(state, None, epoch)
        return settled


def verified(data: bytes, identity: Identity) -> Receipts:
    """The receipts in a file, if they are the collector's and for this agent; raises `BadInput`."""
    file = parse(data, "receipts")
    if not identity.sign_key:
        raise BadInput("this machine knows no key of its collector; enrol it again, and export once more")
    if signer(file, [raw_key(identity.sign_key)]) is None:
        raise BadInput(f"not signed by the collector of this machine ({identity.url}); nothing was changed")
    try:
        receipts = msgspec.json.decode(file.body, type=Receipts)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"receipts that cannot be read ({error}); upgrade this agent") from error
    if receipts.agent != identity.agent:
        raise BadInput(f"receipts for agent {receipts.agent}, and this machine is {identity.agent}")
    return receipts


def _note(state: State, receipts: Receipts, sequence: int, hash: str) -> None:
    """Keep what the collector holds, as an acknowledgement over HTTP would, unless that is known better."""
    last = last_delivered(state)
    if last is not None and (last.agent, last.epoch) == (receipts.agent, receipts.epoch):
        if last.highest > receipts.highest_sequence:
            return
        sequence, hash = max((sequence, hash), (last.sequence, last.hash))
    now = datetime.now(UTC)
    delivered = Delivered(receipts.agent, receipts.epoch, receipts.highest_sequence, sequence, hash, now)
    note_delivered(state, delivered)


def _hash_of(spool: Spool, entry: Spooled) -> str:
    return spool.read(entry).seal.hash


def _pending(spool: Spool, receipts: Receipts, settled: Settled) -> Iterator[tuple[Spooled, Answered]]:
    """The answers to runs that still wait here."""
    waiting = {entry.run: entry for entry in spool.pending()}
    for answer in receipts.answers:
        entry = waiting.pop(answer.run, None)
        if entry is None:
            settled.before += 1
        else:
            yield entry, answer


def _apply(
    spool: Spool, identity: Identity, entry: Spooled, answer: Answered, receipts: Receipts
) -> Delivery:
    if answer.status in (200, 201):
        url = f"/runs/{entry.run}"
        ack = Ack(
            run=entry.run,
            status="new" if answer.status == 201 else "same",
            epoch=receipts.epoch,
            highest_sequence=receipts.highest_sequence,
            held=answer.held,
            url=url,
            targets=receipts.targets,
            rules=receipts.rules_version,
        )
        spool.mark_acknowledged(entry, ack)
        return Delivery("sent", entry.sequence, entry.run, in_words(answer.held), identity.url + url)
    words = refusal(answer)
    if answer.status >= 500 or answer.status in RETRY:
        return Delivery("waiting", entry.sequence, entry.run, words)
    if answer.hold or answer.status in HOLD:
        words += "; it stays in the spool and goes with the next export"
        spool.hold(entry, words)
        return Delivery("held", entry.sequence, entry.run, words)
    spool.quarantine(entry.path, words)
    return Delivery("quarantined", entry.sequence, entry.run, words)


def refusal(answer: Answered) -> str:
    """The collector's reason as one line."""
    with suppress(ValueError):
        title = answer.title or HTTPStatus(answer.status).phrase
        text = f"{title}: {answer.detail}" if answer.detail else title
        text += f" (at {answer.path})" if answer.path else ""
        return "".join(c if c.isprintable() else " " for c in text)[:500] + f" (HTTP {answer.status})"
    return f"HTTP {answer.status}"
