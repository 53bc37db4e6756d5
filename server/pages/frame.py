"""What every page has: the frame around it, the headers it is sent with, and the template engine.

The policy allows this host's stylesheet and images and nothing else, so no page may carry an inline style
or a script.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template
from litestar.template import TemplateConfig
from sqlalchemy.orm import Session

from server.auth.account import Account
from server.db import Database
from server.pages import words
from server.tables import Store

HERE = Path(__file__).resolve().parent.parent
TEMPLATES: Final = HERE / "templates"
STATIC: Final = HERE / "static"

POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    # What a login may see must not come back with the browser's back button after it logged out.
    "Cache-Control": "no-store",
}

EXAMPLE_PREFIX: Final = "example-"
"""Sites whose id begins so came with the example vendor (`server.example`)."""


@dataclass(frozen=True)
class Frame:
    """Who looks, when, and where in the house they are (`here` is the navigation's word)."""

    now: datetime
    account: Account | None
    example: bool
    here: str = ""


def frame(session: Session, account: Account, now: datetime, here: str = "") -> Frame:
    """The frame of a page that a login sees."""
    return Frame(now, account, has_example_data(session), here)


@contextmanager
def look(db: Database) -> Iterator[Session]:
    """A short read whose rows outlive it: the template is rendered after the transaction has ended."""
    with db.read() as session:
        yield session
        session.expunge_all()


def has_example_data(session: Session) -> bool:
    """Whether this store was filled with the example vendor."""
    return bool(session.scalar(sa.select(Store.example_data).limit(1)))


def is_example(site_id: str) -> bool:
    return site_id.startswith(EXAMPLE_PREFIX)


def page(name: str, frame: Frame, *, status: int = 200, **context: Any) -> Template:
    """The response: a template in its frame."""
    return Template(
        template_name=name, context={"frame": frame, **context}, media_type="text/html", status_code=status
    )


def environment() -> Environment:
    """Jinja with autoescape everywhere and an error for every name a template misspells."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in (
        words.utc,
        words.day,
        words.iso,
        words.span,
        words.every,
        words.ago,
        words.clip,
        words.prose,
        words.unmarked,
        words.percent,
        words.count,
        words.size,
        words.said,
        words.reasons,
        words.flags,
    ):
        env.filters[filter_.__name__] = filter_
    env.globals["words"] = words
    env.globals["is_example"] = is_example
    return env


def template_config() -> TemplateConfig[JinjaTemplateEngine]:
    """What `create_app` hands to Litestar."""
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment()))
