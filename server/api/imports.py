"""Runs that are carried here on files, and the numbers of runs that never arrived."""

from __future__ import annotations

import tempfile
from typing import Any, BinaryIO, cast

import msgspec
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from checks.errors import BadInput
from server import gaps
from server.api.given import GivenClock, GivenDb, GivenSettings, GivenUser
from server.auth.web import admin
from server.carry.taking import Import, take_export
from server.delivery.names import existing
from server.tables import AgentRow

BLOCK = 1024 * 1024


class GapView(msgspec.Struct, frozen=True):
    """Numbers of runs that never arrived, both ends included; `dropped` of them the agent itself gave up."""

    first: int
    last: int
    missing: int
    dropped: int


class MissingView(msgspec.Struct, frozen=True):
    """What is missing of an agent's chain. `runs` and `dropped` are sums over all gaps; `more` says that
    there are gaps that are not listed.
    """

    agent_id: str
    runs: int
    dropped: int
    gaps: tuple[GapView, ...]
    more: bool


class RefusalView(msgspec.Struct, frozen=True):
    """A run that was not taken; `hold`: it will be once something is put right."""

    run: str
    status: int
    words: str
    hold: bool


class ImportView(msgspec.Struct, frozen=True):
    """What became of the runs in a file.

    Of `runs`, `new` were stored, `same` were here before (`held` of both do not count yet), `held_back` are
    refused until something is put right, `refused` for good, `failed` could not be stored just now. The first
    refusals are named. `receipts` is the signed file to carry back, in base64, and `receipts_name` its name.
    """

    agent_id: str
    target: str
    site_id: str
    sealed: bool
    runs: int
    first: int
    last: int
    new: int
    same: int
    held: int
    held_back: int
    refused: int
    failed: int
    refusals: tuple[RefusalView, ...]
    missing: MissingView
    receipts_name: str
    receipts: bytes


@post("/imports", guards=[admin], status_code=200)
async def import_runs(
    request: Request[Any, Any, Any],
    db: GivenDb,
    user: GivenUser,
    clock: GivenClock,
    settings: GivenSettings,
) -> ImportView:
    """The body is the file that ``firstlight export`` wrote, as it is (``application/octet-stream``)."""
    with tempfile.TemporaryFile(prefix="firstlight-import-") as kept:
        file = cast("BinaryIO", kept)
        await _receive(request, file, settings.max_import)
        taken = await sync_to_thread(take_export, db, settings, clock, file, by=user.login)
    return _view(taken)


@get("/agents/{id:str}/gaps", sync_to_thread=True)
def list_gaps(id: FromPath[str], db: GivenDb) -> MissingView:
    """Runs of an agent that never arrived although later ones did."""
    with db.read() as session:
        agent = existing(session, AgentRow, id)
        return _missing(agent.id, gaps.missing_of(session, agent.id))


async def _receive(request: Request[Any, Any, Any], file: BinaryIO, most: int) -> None:
    """Write the body to a file, block by block; raises 413 above `most` bytes, whatever was announced.

    It comes from the server itself: the framework's own reading stays at the small limit of all other routes.
    """
    waiting = bytearray()
    size = 0
    more = True
    if request.content_length is not None and request.content_length > most:
        raise _too_large(most)
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise BadInput("the connection ended before the file did; send it once more")
        if message["type"] != "http.request":
            continue
        waiting += message["body"]
        size += len(message["body"])
        more = message.get("more_body", False)
        if size > most:
            raise _too_large(most)
        if len(waiting) >= BLOCK:
            await sync_to_thread(file.write, bytes(waiting))
            waiting.clear()
    await sync_to_thread(file.write, bytes(waiting))
    file.seek(0)


def _too_large(most: int) -> HTTPException:
    return HTTPException(
        status_code=413, detail=f"an import is at most {most} bytes here (FIRSTLIGHT_MAX_IMPORT)"
    )


def _view(taken: Import) -> ImportView:
    return ImportView(
        agent_id=taken.agent,
        target=taken.target,
        site_id=taken.site_id,
        sealed=taken.sealed,
        runs=taken.runs,
        first=taken.first,
        last=taken.last,
        new=taken.new,
        same=taken.same,
        held=taken.held,
        held_back=taken.held_back,
        refused=taken.refused,
        failed=taken.failed,
        refusals=tuple(RefusalView(r.run, r.status, r.words, r.hold) for r in taken.refusals),
        missing=_missing(taken.agent, taken.gaps),
        receipts_name=taken.receipts_name,
        receipts=taken.receipts,
    )


def _missing(agent: str, missing: gaps.Missing) -> MissingView:
    listed = tuple(GapView(gap.first, gap.last, gap.missing, gap.dropped) for gap in missing.gaps)
    return MissingView(agent, missing.runs, missing.dropped, listed, missing.more)


ROUTES = [import_runs, list_gaps]
