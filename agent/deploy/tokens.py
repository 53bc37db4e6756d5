"""A fresh one-time token for one machine, asked of the collector in the name of whoever deploys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from checks.errors import BadInput, UplinkError

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
