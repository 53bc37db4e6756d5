"""The demo's folder, its store and its people: made anew each time, and nothing outside the folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from checks.errors import BadInput
from server import delivery, store
from server.auth.passwords import generate_password
from server.auth.tokens import issue_api_token
from server.auth.users import add_user
from server.db import Database
from server.schema import upgrade

MARK = "firstlight-demo"
SITE = "this-machine"
PROJECT = "this-machine-delivery"
ENGINEER = "you"
BY = "demo"
ADMIN = "demo"


@dataclass(frozen=True)
class House:
    """What the demo needs to know of itself; the password and the tokens are of this store alone."""

    folder: Path
    password: str
    api_token: str
    enrolment_token: str
    examples: str

    @property
    def agent_state(self) -> Path:
        return self.folder / "agent"


def clear(folder: Path) -> Path:
    """Make the demo's folder, or empty one that an earlier demo left; the path of its store.

    Raises `BadInput` for a folder that holds anything else.
    """
    if folder.exists() and not (folder / MARK).exists() and any(folder.iterdir()):
        raise BadInput(f"{folder}: not a folder of the demo; name another one with --folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    (folder / MARK).write_text("made by `firstlight server demo`; it empties this folder when it starts\n")
    database = folder / "collector.db"
    database.touch(mode=0o600)
    return database


def furnish(db: Database, folder: Path, now: datetime, progress: Callable[[int, int], None] | None) -> House:
    """Schema, example vendor, this machine's site and project, somebody to log in, and the tokens."""
    from server.example import build

    upgrade(db)
    with db.write() as session:
        store.found_store(session, now, example_data=True)
    examples = build(db, now, progress)
    password = generate_password()
    with db.write() as session:
        delivery.add_customer(session, "This machine's owner", by=BY, now=now, id="you")
        delivery.add_site(session, "you", "This machine", by=BY, now=now, id=SITE)
        delivery.add_product(session, "Your product", by=BY, now=now, id="your-product")
        delivery.add_project(
            session, SITE, "your-product", "This machine's delivery", by=BY, now=now, id=PROJECT
        )
        delivery.add_engineer(session, "You", by=BY, now=now, id=ENGINEER)
        delivery.assign(session, PROJECT, ENGINEER, "lead", by=BY, now=now)
        user = add_user(session, ADMIN, "admin", password, by=BY, now=now, name="Demo")
        session.flush()
        api_token = issue_api_token(session, user.id, "demo", timedelta(days=1), by=BY, now=now)
        enrolment = delivery.issue_enrolment_token(session, SITE, project_id=PROJECT, by=BY, now=now)
    told = (
        f"{examples.customers} customers, {examples.sites} sites, {examples.projects} projects,"
        f" {examples.engineers} engineers, {examples.runs:,} runs"
    )
    return House(folder, password, api_token, enrolment, told)
