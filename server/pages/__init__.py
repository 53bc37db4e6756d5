"""The collector's pages, for admin and engineer logins: rendered here, readable without any script.

One module a page or a question; `frame` holds what all pages share, `problems` what a browser sees instead.
"""

from __future__ import annotations

from litestar import Router
from litestar.datastructures import CacheControlHeader
from litestar.static_files import create_static_files_router

from server.auth.web import GUARDS, admin, logged_in, own_origin
from server.pages.agents import list_agents, post_accept_branch, post_revoke, show_agent
from server.pages.findings import list_findings, show_episode, show_finding
from server.pages.frame import HEADERS, STATIC, template_config
from server.pages.imports import post_import, show_imports, within_limit
from server.pages.kpis import list_kpis, show_kpi, show_unit
from server.pages.login import login_form, logout, post_login
from server.pages.overview import show_overview
from server.pages.problems import EXCEPTION_HANDLERS
from server.pages.publishing import list_published, post_profile, post_withdraw, show_published
from server.pages.runs import list_runs, show_run
from server.pages.sites import list_sites, show_site

ROUTES = [
    Router(
        "/",
        route_handlers=[
            login_form,
            post_login,
            logout,
            show_overview,
            list_sites,
            show_site,
            list_findings,
            show_finding,
            show_episode,
            list_runs,
            show_run,
            list_agents,
            show_agent,
            post_revoke,
            post_accept_branch,
            list_kpis,
            show_kpi,
            show_unit,
            list_published,
            post_profile,
            show_published,
            post_withdraw,
        ],
        guards=list(GUARDS),
        response_headers=HEADERS,
        include_in_schema=False,
    ),
    Router(
        "/",
        route_handlers=[show_imports, post_import],
        # Reading the form for its token reads the upload: only for whom it is meant, and only so much.
        guards=[logged_in, admin, within_limit, own_origin],
        response_headers=HEADERS,
        include_in_schema=False,
    ),
]


def static_router() -> Router:
    """The stylesheet and the mark, for everyone, kept by browsers for an hour."""
    return create_static_files_router(
        path="/static",
        directories=[STATIC],
        opt={"public": True},
        cache_control=CacheControlHeader(max_age=3600),
        include_in_schema=False,
    )


__all__ = ["EXCEPTION_HANDLERS", "ROUTES", "static_router", "template_config"]
