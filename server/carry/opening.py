"""An export at the door: unsealed, whole, of an agent that is enrolled here, before a run is looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import sqlalchemy as sa

from checks.carried import Manifest, is_whole, read_manifest
from checks.errors import BadInput
from checks.sealing import is_sealed, open_sealed
from checks.signed import signer_of, verified_head
from server import keys
from server.db import Database
from server.errors import Forbidden
from server.tables import AgentKey, AgentRow


@dataclass(frozen=True, slots=True)
class Export:
    """A whole export of a known agent. `body` stands at the first run; `hash` is that of the signed body."""

    manifest: Manifest
    hash: str
    site: str
    body: BinaryIO
    sealed: bool


@contextmanager
def open_export(db: Database, file: BinaryIO) -> Iterator[Export]:
    """The export in a file that can be sought in; what was sealed lies in a temporary file meanwhile.

    Everything that can be wrong with the file as a whole is found here, so that nothing of it is stored then.
    Raises `BadInput` for a file that is none, torn or sealed for another, and `Forbidden` for an agent that
    is not enrolled here or a key that it may not sign with.
    """
    if not is_sealed(file):
        yield _whole(db, file, sealed=False)
        return
    with db.read() as session:
        opening = keys.opening_keys(session)
    with tempfile.TemporaryFile(prefix="firstlight-import-") as plain:
        open_sealed(file, opening, cast("BinaryIO", plain))
        plain.seek(0)
        yield _whole(db, cast("BinaryIO", plain), sealed=True)


def _whole(db: Database, file: BinaryIO, *, sealed: bool) -> Export:
    head = verified_head(file, "export")
    with db.read() as session:
        agent = session.get(AgentRow, head.by)
        if agent is None:
            raise Forbidden(f"an export of agent {head.by!r:.100}, and none of that name is enrolled here")
        site = agent.site_id
        query = sa.select(AgentKey.public_key, AgentKey.revoked_at).where(AgentKey.agent_id == head.by)
        known = {bytes(public): revoked for public, revoked in session.execute(query)}
    signer = signer_of(head, known)
    if signer is None:
        raise Forbidden(f"no key of agent {head.by} signed this file; export once more on that machine")
    if known[signer] is not None:
        raise Forbidden(
            f"the key of agent {head.by} that signed this file was revoked; enrol that machine again, "
            "and export once more"
        )
    manifest = read_manifest(file)
    if manifest.agent != head.by:
        raise BadInput("not an export: it names another agent inside than the one that signed it")
    is_whole(file, manifest)
    return Export(manifest, head.hash, site, file, sealed)
