"""A fresh one-time token for one machine, asked of the collector in the name of whoever deploys."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agent.address import checked_url
from checks.errors import BadInput, UplinkError
from checks.units import read_span

if TYPE_CHECKING:
    from requests import Response

VARIABLE: Final = "FIRSTLIGHT_API_TOKEN"
TIMEOUT_S: Final = (5.0, 30.0)
_AGENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class _Made(msgspec.Struct):
    token: str


class _Problem(msgspec.Struct):
    title: str = ""
    detail: str = ""


class Desk:
    """The collector's API as an admin reaches it. `api_token` is a bearer token of that admin."""

    def __init__(self, url: str, api_token: str, ca: Path | None) -> None:
        self._url, self._api_token, self._ca = url, api_token, ca

    def enrolment_token(self, site: str, *, project: str = "", profile: str = "", interval_s: int) -> str:
        """A token that enrols one machine within the hour; raises `BadInput` or `UplinkError`."""
        wanted: dict[str, Any] = {"site": site, "profile": profile, "interval_s": interval_s, "hours": 1.0}
        if project:
            wanted["project"] = project
        answer = self._post("/api/v1/enrolment-tokens", wanted)
        try:
            return msgspec.json.decode(answer.content, type=_Made).token
        except msgspec.MsgspecError as error:
            raise UplinkError(f"{self._url} gave no token: {error}", permanent=False) from error

    def revoke(self, agent: str) -> None:
        """Trust an agent's keys no more; raises `BadInput` or `UplinkError`.

        The id is what a machine says of itself, and becomes part of an address: only a plain one does.
        """
        if not _AGENT.fullmatch(agent):
            raise BadInput(f"{agent[:60]!r} is no agent's id; nothing was revoked")
        self._post(f"/api/v1/agents/{agent}/revoke", {})

    def _post(self, path: str, body: dict[str, Any]) -> Response:
        import requests

        try:
            answer = requests.post(
                self._url + path,
                data=msgspec.json.encode(body),
                headers={"Authorization": f"Bearer {self._api_token}", "Content-Type": "application/json"},
                timeout=TIMEOUT_S,
                verify=str(self._ca) if self._ca else True,
                allow_redirects=False,
            )
        except requests.exceptions.RequestException as error:
            kind = type(error).__name__
            raise UplinkError(f"{self._url} cannot be reached from here ({kind})", permanent=False) from error
        if answer.status_code in (200, 201):
            return answer
        try:
            problem = msgspec.json.decode(answer.content, type=_Problem)
        except msgspec.MsgspecError:
            problem = _Problem()
        words = ": ".join(filter(None, (problem.title, problem.detail))) or "without a reason"
        if answer.status_code == 401:
            words += f"; {VARIABLE} has to hold an admin's API token"
        raise BadInput(f"{self._url} refused ({answer.status_code}): {words[:300]}")


def desk_at(url: str, ca: Path | None, insecure: bool) -> Desk | None:
    """The collector's API, where there is a token for it; raises `BadInput` for an unsafe address."""
    bearer = os.environ.get(VARIABLE, "")
    return Desk(checked_url(url, insecure_http=insecure), bearer, ca) if bearer and url else None


def source_of_tokens(
    desk: Desk | None, token: str | None, site: str, project: str, profile: str, every: str, machines: int
) -> Callable[[], str]:
    """Where the token of each machine comes from: the API, or the one that was given.

    Raises `BadInput`, and so does what is returned.
    """
    if token is not None:
        if site or project:
            raise BadInput("--token brings its own site and project; leave --site and --project out")
        if machines > 1:
            raise BadInput(
                f"--token enrols one machine, and there are {machines}; use --site with ${VARIABLE}"
            )
        return lambda: sys.stdin.readline().strip() if token == "-" else token
    interval_s = _interval(every)

    def fresh() -> str:
        if not site or desk is None:
            raise BadInput(
                f"it has to be enrolled: give --site with an admin's API token in ${VARIABLE}, or --token -"
            )
        return desk.enrolment_token(
            site, project=project, profile=_profile_id(profile), interval_s=interval_s
        )

    return fresh


def _profile_id(profile: str) -> str:
    """A profile that is a file over there has an id that nobody here knows."""
    return "" if "/" in profile or profile.endswith((".yaml", ".yml")) else profile


def _interval(every: str) -> int:
    try:
        return round(read_span(every or "1d"))
    except ValueError as error:
        raise BadInput(f"--every {every}: {error}") from error
