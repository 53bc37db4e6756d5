"""The collector as one ASGI application: the ingest route in front, pages and API behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ASGIApp

from checks import __version__
from server import api, pages
from server.auth.web import authentication, provide_user
from server.clock import Clock, utc_now
from server.db import Database
from server.ingest.endpoint import PATH, Endpoint
from server.ingest.writer import Writer
from server.settings import Settings

Hook = Callable[[], None]


def create_app(db: Database, settings: Settings, clock: Clock = utc_now) -> ASGIApp:
    """The application over an open store; its lifespan starts and stops the ingest thread."""
    writer = Writer(db, settings.max_decompressed)
    endpoint = Endpoint(writer, settings, clock)
    site = make_site(db, settings, clock, on_startup=[writer.start], on_shutdown=[writer.stop])

    # Any: the ingest route is plain ASGI, the site has its own types for the same messages.
    async def collector(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            await endpoint(scope, receive, send)
        else:
            await site(scope, receive, send)

    return collector


def make_site(
    db: Database,
    settings: Settings,
    clock: Clock,
    *,
    more: Sequence[Router] = (),
    on_startup: Sequence[Hook] = (),
    on_shutdown: Sequence[Hook] = (),
) -> Litestar:
    """Pages and API without the ingest route; `more` are routes to mount beside them."""

    async def provide_db() -> Database:
        return db

    async def provide_settings() -> Settings:
        return settings

    async def provide_clock() -> Clock:
        return clock

    return Litestar(
        route_handlers=[*api.ROUTES, *pages.ROUTES, pages.static_router(), *more],
        dependencies={
            "db": Provide(provide_db),
            "settings": Provide(provide_settings),
            "clock": Provide(provide_clock),
            "user": Provide(provide_user, sync_to_thread=False),
        },
        middleware=[authentication(db, settings, clock)],
        template_config=pages.template_config(),
        exception_handlers=pages.EXCEPTION_HANDLERS,
        compression_config=CompressionConfig(backend="gzip", minimum_size=1024),
        # The document alone: the viewers that come with it load their scripts from other hosts.
        openapi_config=OpenAPIConfig(
            title="Firstlight collector",
            version=__version__,
            path="/api/schema",
            render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
        ),
        request_max_body_size=settings.max_api_body,
        state=State({"max_import": settings.max_import}),
        # Litestar would take over the root logger, which belongs to whoever runs the process.
        logging_config=None,
        on_startup=list(on_startup),
        on_shutdown=list(on_shutdown),
    )
