"""The JSON API under /api/v1: thin handlers over the deeds in `server.delivery`, `decisions` and `auth`.

Everything needs a login unless a route says it is public; what changes master data needs an admin.
"""

from __future__ import annotations

from litestar import Router
from litestar.di import Provide

from server.api import (
    access,
    assignments,
    bindings,
    decisions,
    enrolment,
    findings,
    imports,
    kpi,
    master,
    problems,
    rules,
    runs,
)
from server.auth.web import GUARDS, provide_throttle

PREFIX = "/api/v1"
AREAS = (access, assignments, bindings, decisions, enrolment, findings, imports, kpi, master, rules, runs)

ROUTES = [
    Router(
        PREFIX,
        route_handlers=[handler for area in AREAS for handler in area.ROUTES],
        guards=list(GUARDS),
        dependencies={"throttle": Provide(provide_throttle, sync_to_thread=False)},
        exception_handlers=problems.HANDLERS,
        response_headers={"Cache-Control": "no-store"},
    )
]

__all__ = ["PREFIX", "ROUTES"]
