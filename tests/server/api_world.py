"""A collector's API in this process, with a clock that tests move and people who may call it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import building
from litestar import Litestar
from litestar.testing import TestClient

from server.auth.passwords import hash_password
from server.auth.tokens import issue_api_token
from server.db import Database
from server.tables import User

PASSWORD = "correct horse battery"


@cache
def password_hash() -> str:
    """Argon2 is slow on purpose; once is enough for all tests."""
    return hash_password(PASSWORD)


@dataclass
class Ticking:
    """A clock that stands still until a test moves it."""

    now: datetime = building.START + timedelta(days=30)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


@dataclass
class Collector:
    """The API over a store in which `building.found_vendor` has been at work."""

    db: Database
    client: TestClient[Litestar]
    clock: Ticking
    tokens: dict[str, str] = field(default_factory=dict)

    def add_person(self, login: str, role: str, engineer: str | None = None) -> None:
        with self.db.write() as session:
            user = User(
                login=login, name=login, role=role, engineer_id=engineer, password_hash=password_hash()
            )
            session.add(user)
            session.flush()
            year = timedelta(days=365)
            self.tokens[login] = issue_api_token(session, user.id, "tests", year, by=login, now=self.clock())

    def call(self, method: str, path: str, body: Any = None, *, by: str | None = "root") -> Any:
        """The response to a request of somebody's API token, of nobody's with None."""
        headers = {"Authorization": f"Bearer {self.tokens[by]}"} if by else {}
        return self.client.request(method, f"/api/v1{path}", json=body, headers=headers)

    def get(self, path: str, *, by: str | None = "root") -> Any:
        response = self.call("GET", path, by=by)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any = None, *, by: str | None = "root", status: int = 201) -> Any:
        response = self.call("POST", path, body, by=by)
        assert response.status_code == status, response.text
        return response.json()

    def refusal(
        self, status: int, method: str, path: str, body: Any = None, *, by: str | None = "root"
    ) -> str:
        """The one sentence of a refusal, which must be a problem document."""
        response = self.call(method, path, body, by=by)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert problem["status"] == status
        return str(problem["detail"])
