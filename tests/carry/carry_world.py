"""A machine and its collector with no network between them: both real, meeting on files only."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import building
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from agent.carry.export import export
from agent.identity import Identity, load_identity, new_key, public_key, read_key, save_identity
from agent.paths import State
from agent.spool import Spool, Spooled
from checks.carried import FrameHead, Manifest, Receipts, frame_of, manifest_line
from checks.envelope import Enrolment, Envelope
from checks.ids import new_run_id
from checks.signed import head_for
from server import delivery
from server.carry.taking import Import, take_export
from server.db import Database
from server.settings import Settings
from server.tables import Receipt

NOW = building.START + timedelta(days=10)
SETTINGS = Settings(db="")
NOWHERE = "http://127.0.0.1:9"


def clock() -> datetime:
    return NOW


@dataclass
class World:
    """The collector's store `db`, and the state folder of a machine that is enrolled with it as web-1."""

    db: Database
    state: State
    folder: Path
    made: building.Machine = field(default_factory=building.Machine)

    @property
    def identity(self) -> Identity:
        found = load_identity(self.state)
        assert found is not None
        return found

    @property
    def spool(self) -> Spool:
        return Spool(self.state.spool)

    @property
    def key(self) -> Ed25519PrivateKey:
        return read_key(self.state.root / self.identity.key_file)

    def enrol(self, *, again: bool = False) -> None:
        """Enrol by hand what `firstlight enrol` enrols over HTTP."""
        name, key = new_key(self.state)
        known = load_identity(self.state)
        request = Enrolment(
            token="",
            public_key=base64.b64encode(public_key(key)).decode(),
            install="install-1",
            fingerprint="machine-1",
            target="web-1",
            agent=known.agent if known and again else "",
        )
        with self.db.write() as session:
            token = delivery.issue_enrolment_token(session, "plant", by="test", now=NOW)
            answer = delivery.enrol(session, msgspec.structs.replace(request, token=token), now=NOW)
        self.made.agent, self.made.key, self.made.target = answer.agent, key, answer.target
        save_identity(
            self.state,
            Identity(
                agent=answer.agent,
                install="install-1",
                sites=answer.sites,
                target=answer.target,
                url=NOWHERE,
                epoch=answer.epoch,
                fingerprint="machine-1",
                key_file=name,
                sign_key=answer.sign_key,
                seal_key=answer.seal_key,
            ),
        )

    def runs(self, count: int, *, at: datetime = building.START, **changes: object) -> list[Spooled]:
        """Spool so many runs, one an hour."""
        self.spool.prepare()
        kept = []
        for number in range(count):
            moment = at + timedelta(hours=number)
            sealed = self.made.run(moment, {"disk": "pass"}, **changes)
            kept.append(self.spool.add(sealed))
        return kept

    def export(self, name: str = "stick.export", **options: object) -> Path:
        done = export(self.state, self.folder / name, now=datetime.now(UTC), force=True, **options)  # type: ignore[arg-type]
        assert done.manifest is not None
        return done.path

    def take(self, file: Path | bytes, settings: Settings = SETTINGS) -> Import:
        data = file if isinstance(file, bytes) else file.read_bytes()
        return take_export(self.db, settings, clock, io.BytesIO(data), by="root")

    def arrived(self) -> list[int]:
        with self.db.read() as session:
            return sorted(session.scalars(select(Receipt.sequence)))

    def places(self) -> dict[str, list[int]]:
        spool = self.spool
        return {
            "pending": [entry.sequence for entry in spool.pending()],
            "sent": [entry.sequence for entry in spool.kept()],
            "quarantine": [entry.sequence for entry in spool.quarantined()],
        }


def by_hand(
    world: World, parts: Sequence[bytes], *, runs: int | None = None, agent: str = "", lie: str = ""
) -> bytes:
    """An export as somebody with the agent's key could write one: these frames under a right signature."""
    agent = agent or world.identity.agent
    manifest = Manifest(
        1, lie or agent, "plant", "web-1", NOWHERE, "epoch", NOW, runs or max(len(parts), 1), 1, 9
    )
    body = manifest_line(manifest) + b"".join(parts)
    head = head_for("export", agent, hashlib.sha256(body).digest(), world.key)
    return msgspec.json.encode(head) + b"\n" + body


def frame(envelope: Envelope) -> bytes:
    return frame_of(envelope)


def raw_frame(packed: bytes, *, agent: str = "agent-1", run: str = "", size: int = 0) -> bytes:
    """A frame with whatever stands in the place of a compressed run."""
    head = FrameHead(agent, run or new_run_id(), "AAAA", size or len(packed))
    return msgspec.json.encode(head) + b"\n" + packed


def receipts_in(taken: Import) -> Receipts:
    return msgspec.json.decode(taken.receipts.partition(b"\n")[2], type=Receipts)
