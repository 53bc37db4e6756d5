"""Writing runs into one file to be carried: signed, compressed, and on demand sealed for the collector alone.

A run is read, compressed and written by itself, so memory holds one whatever the spool holds. The runs are
walked twice, because the signature over the whole stands before it: nothing that is not sealed ever touches
the stick.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from agent.carry.chosen import Chosen, Since, choose
from agent.carry.exports import Past, ranges, remember
from agent.durable import UNFINISHED, sync_folder
from agent.identity import Identity, enrolled, read_key
from agent.lock import exclusive
from agent.paths import State
from agent.spool import Spool
from checks.carried import VERSION, Manifest, frame_of, manifest_line
from checks.envelope import seal
from checks.errors import BadInput, FirstlightError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ATTEMPTS = 3
"""How often the walks begin anew where the spool dropped a run between them."""

Write = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Exported:
    """The file that was written, what is in it (None: nothing waits, and no file was written), its size in
    bytes, and what was left out.
    """

    path: Path
    manifest: Manifest | None
    chosen: Chosen
    size: int = 0


class _Changed(FirstlightError):
    """A run was dropped from the spool between the walks."""


def export(
    state: State,
    where: Path,
    *,
    now: datetime,
    sealed: bool = False,
    everything: bool = False,
    since: Since | None = None,
    force: bool = False,
) -> Exported:
    """Write what waits into the file `where`, or into a folder under a name of its own.

    The runs stay pending. Raises `BadInput` for a place that does not serve, `FirstlightError` where the file
    could not be written (nothing of it is then left), `Busy` where another process is delivering.
    """
    enrolled(state)  # before there is a folder to lock in
    with exclusive(state.delivery_lock, wait_s=60):
        identity = enrolled(state)
        recipient = _recipient(identity) if sealed else None
        spool = Spool(state.spool)
        for _ in range(ATTEMPTS):
            chosen = choose(spool, identity, everything=everything, since=since or Since())
            if not chosen.runs:
                return Exported(where, None, chosen)
            manifest = _manifest(identity, chosen, now)
            path = _place(state, where, manifest, force=force)
            with suppress(_Changed):
                size = _write(state, path, identity, spool, chosen, manifest, recipient)
                _remember(state, path, identity, chosen, now, sealed=sealed)
                return Exported(path, manifest, chosen, size)
    raise FirstlightError("the spool dropped runs while they were read; nothing was exported, try again")


def _recipient(identity: Identity) -> bytes:
    from checks.signed import raw_key

    if not identity.seal_key:
        raise BadInput(
            "the collector had no key to seal for when this machine was enrolled; "
            "enrol it again, or leave --sealed out"
        )
    return raw_key(identity.seal_key)


def _manifest(identity: Identity, chosen: Chosen, now: datetime) -> Manifest:
    from checks.signed import key_name, raw_key

    return Manifest(
        version=VERSION,
        agent=identity.agent,
        site=identity.sites[0],
        target=identity.target,
        collector=identity.url[:500],
        epoch=identity.epoch[:500],
        made=now,
        runs=len(chosen.runs),
        first=chosen.runs[0].sequence,
        last=chosen.runs[-1].sequence,
        goes_by=key_name(raw_key(identity.sign_key)) if identity.sign_key else "",
    )


def _place(state: State, where: Path, manifest: Manifest, *, force: bool) -> Path:
    """The file to write; raises `BadInput` where it must not be written."""
    if where.is_dir():
        agent = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in manifest.agent[:60])
        where = where / f"firstlight-{agent}-{manifest.first}-{manifest.last}.export"
    return sound_place(where, state, force=force)


def sound_place(where: Path, state: State, *, force: bool) -> Path:
    """The place, if a file may be written there; raises `BadInput`."""
    if not where.parent.is_dir():
        raise BadInput(f"{where}: there is no folder {where.parent}; is the stick mounted?")
    if where.parent.resolve().joinpath(where.name).is_relative_to(state.root.resolve()):
        raise BadInput(f"{where}: lies in the agent's own state folder; name a file elsewhere")
    if where.exists() or where.is_symlink():
        if where.is_symlink() or not where.is_file():
            raise BadInput(f"{where}: exists and is no plain file; name another")
        if not force:
            raise BadInput(f"{where}: exists already; name a new file, or --force to replace it")
    return where


def _write(
    state: State,
    path: Path,
    identity: Identity,
    spool: Spool,
    chosen: Chosen,
    manifest: Manifest,
    recipient: bytes | None,
) -> int:
    from checks.signed import head_for

    key = read_key(state.root / identity.key_file)
    digest = hashlib.sha256()
    _body(digest.update, identity, spool, chosen, manifest, key)
    note = f"Bring this file to the Firstlight collector at {manifest.collector}"[:400]
    head = head_for("export", identity.agent, digest.digest(), key, "" if recipient else note)
    again = hashlib.sha256()
    with new_file(path) as file, _sealed(file, recipient, note) as write:
        write(msgspec.json.encode(head) + b"\n")

        def both(data: bytes) -> None:
            again.update(data)
            write(data)

        _body(both, identity, spool, chosen, manifest, key)
        if again.digest() != digest.digest():
            raise _Changed
    return path.stat().st_size


def _body(
    write: Write,
    identity: Identity,
    spool: Spool,
    chosen: Chosen,
    manifest: Manifest,
    key: Ed25519PrivateKey,
) -> None:
    write(manifest_line(manifest))
    for entry in chosen.runs:
        try:
            body = spool.read(entry).body
        except (OSError, BadInput) as error:
            raise _Changed from error
        # Under the present key, as a delivery would: the same body, whoever vouched for it before.
        write(frame_of(seal(identity.agent, entry.run, body, key)))


@contextmanager
def _sealed(file: BinaryIO, recipient: bytes | None, note: str) -> Iterator[Write]:
    if recipient is None:
        yield file.write
        return
    from checks.sealing import Sealer

    sealer = Sealer(file, recipient, note)
    yield sealer.write
    sealer.close()


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name when it is whole and on the disk, and else not at all."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{UNFINISHED}"):
        with suppress(OSError):
            left.unlink()  # of a process that was killed; no other writes under the delivery lock
    temporary = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb", buffering=1024 * 1024) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise FirstlightError(f"{path}: {error.strerror or error}; nothing was exported") from error
    with suppress(OSError):  # some filesystems of sticks cannot
        sync_folder(path.parent)


def _remember(
    state: State, path: Path, identity: Identity, chosen: Chosen, now: datetime, *, sealed: bool
) -> None:
    numbers = ranges(entry.sequence for entry in chosen.runs)
    with suppress(OSError):  # a courtesy; the file is written
        remember(state, Past(now, str(path), identity.agent, numbers, sealed), identity.epoch)
