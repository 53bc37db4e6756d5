"""Imports over the API and on the page: for admins, bounded, and the same door as the command's."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from carry_world import NOW, World, clock
from litestar.testing import TestClient

from checks.signed import parse
from server.app import create_app
from server.auth.passwords import hash_password
from server.auth.tokens import issue_api_token
from server.settings import Settings
from server.tables import User

PASSWORD = "correct horse battery"
LIMIT = 600_000


@pytest.fixture
def tokens(world: World) -> dict[str, str]:
    from datetime import timedelta

    made = {}
    with world.db.write() as session:
        for login, role, engineer in (("root", "admin", None), ("ann", "engineer", "ann")):
            user = User(
                login=login,
                name=login,
                role=role,
                engineer_id=engineer,
                password_hash=hash_password(PASSWORD),
            )
            session.add(user)
            session.flush()
            made[login] = issue_api_token(session, user.id, "tests", timedelta(days=9), by=login, now=NOW)
    return made


@pytest.fixture
def client(world: World, tokens: dict[str, str]) -> Iterator[TestClient[Any]]:
    app = create_app(world.db, Settings(db="", max_import=LIMIT), clock)
    with TestClient(app, base_url="http://127.0.0.1") as made:  # type: ignore[arg-type]
        made.follow_redirects = False
        yield made


def post(client: TestClient[Any], token: str, data: Any, **headers: str) -> Any:
    return client.post(
        "/api/v1/imports",
        content=data,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream", **headers},
    )


def log_in(client: TestClient[Any], login: str) -> str:
    """A browser's session; its CSRF token."""
    client.cookies.clear()
    answer = client.post("/api/v1/sessions", json={"login": login, "password": PASSWORD})
    assert answer.status_code == 201
    return str(answer.json()["csrf"])


def upload(client: TestClient[Any], csrf: str, data: bytes, name: str = "stick.export") -> Any:
    return client.post("/imports", data={"csrf": csrf}, files={"file": (name, data)})


def test_the_body_is_the_file_and_the_answer_holds_counts_gaps_and_receipts(
    world: World, client: TestClient[Any], tokens: dict[str, str]
) -> None:
    entries = world.runs(4)
    entries[1].path.unlink()
    answer = post(client, tokens["root"], world.export(sealed=True).read_bytes())
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert {
        name: said[name] for name in ("agent_id", "site_id", "target", "runs", "new", "same", "sealed")
    } == {
        "agent_id": world.identity.agent,
        "site_id": "plant",
        "target": "web-1",
        "runs": 3,
        "new": 3,
        "same": 0,
        "sealed": True,
    }
    assert said["missing"]["gaps"] == [{"first": 2, "last": 2, "missing": 1, "dropped": 0}]
    assert said["receipts_name"] == f"firstlight-{world.identity.agent}-1-4.receipts"
    assert parse(base64.b64decode(said["receipts"]), "receipts").head.kind == "receipts"
    gaps = client.get(
        f"/api/v1/agents/{world.identity.agent}/gaps", headers={"Authorization": f"Bearer {tokens['ann']}"}
    ).json()
    assert gaps == said["missing"]


def test_the_gaps_of_nobody_are_404(client: TestClient[Any], tokens: dict[str, str]) -> None:
    answer = client.get("/api/v1/agents/nobody/gaps", headers={"Authorization": f"Bearer {tokens['ann']}"})
    assert answer.status_code == 404


def test_only_an_admin_imports(world: World, client: TestClient[Any], tokens: dict[str, str]) -> None:
    world.runs(1)
    data = world.export().read_bytes()
    assert post(client, tokens["ann"], data).status_code == 403
    assert post(client, "fla_wrong", data).status_code == 401
    csrf = log_in(client, "ann")
    assert upload(client, csrf, data).status_code == 403
    assert client.get("/imports").status_code == 403
    assert world.arrived() == []


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 400, "not a file that Firstlight signed"),
        (b"\x00" * 5000, 400, "not a file that Firstlight signed"),
        (
            b'{"kind":"export","by":"agent-9","hash":"' + b"ab" * 32 + b'","signature":""}\n',
            400,
            "not a whole",
        ),
    ],
)
def test_a_bad_file_is_one_problem(
    world: World, client: TestClient[Any], tokens: dict[str, str], data: bytes, status: int, words: str
) -> None:
    answer = post(client, tokens["root"], data)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


def test_a_file_above_the_limit_is_refused_announced_or_not(
    world: World, client: TestClient[Any], tokens: dict[str, str]
) -> None:
    def unannounced() -> Iterator[bytes]:
        for _ in range(5):
            yield b"x" * (LIMIT // 4)

    for data in (b"x" * (LIMIT + 1), unannounced()):
        answer = post(client, tokens["root"], data)
        assert answer.status_code == 413
        assert "FIRSTLIGHT_MAX_IMPORT" in answer.json()["detail"]


def test_a_file_may_be_larger_than_any_other_request(
    world: World, client: TestClient[Any], tokens: dict[str, str]
) -> None:
    data = b"x" * 500_000
    assert "not a file that Firstlight signed" in post(client, tokens["root"], data).json()["detail"]
    assert "Not a file that Firstlight signed" in upload(client, log_in(client, "root"), data).text


def test_a_form_cannot_bring_more_to_the_api_than_any_other_request(
    world: World, client: TestClient[Any]
) -> None:
    log_in(client, "ann")
    answer = client.post("/api/v1/imports", files={"file": ("x", b"x" * 300_000)})
    assert answer.status_code == 413


def test_the_page_takes_a_file_and_gives_the_receipts_without_any_script(
    world: World, client: TestClient[Any]
) -> None:
    entries = world.runs(3)
    entries[0].path.unlink()
    csrf = log_in(client, "root")
    page = client.get("/imports").text
    assert 'enctype="multipart/form-data"' in page
    assert "None yet." in page
    answer = upload(client, csrf, world.export().read_bytes())
    assert answer.status_code == 200
    assert "run 1 missing" in answer.text
    link = re.search(r'download="([^"]+)" href="data:application/octet-stream;base64,([^"]+)"', answer.text)
    assert link is not None
    assert link[1] == f"firstlight-{world.identity.agent}-2-3.receipts"
    assert parse(base64.b64decode(link[2]), "receipts").head.kind == "receipts"
    listed = client.get("/imports").text
    assert "2 new, 0 same, 0 not taken" in listed
    assert "/imports" in client.get("/runs").text
    site = client.get("/sites/plant").text
    assert "Runs that never arrived" in site
    assert "run 1 missing" in site


def test_the_page_says_what_is_wrong_with_a_file(world: World, client: TestClient[Any]) -> None:
    csrf = log_in(client, "root")
    torn = upload(client, csrf, b"<script>alert(1)</script>")
    assert torn.status_code == 400
    assert "Not a file that Firstlight signed" in torn.text
    assert "<script" not in torn.text
    none = client.post("/imports", data={"csrf": csrf}, files={"other": (None, "x")})
    assert none.status_code == 400
    assert "Choose the file first." in none.text


# The framework leaves a form that a guard refused to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_upload_needs_the_token_of_the_session(world: World, client: TestClient[Any]) -> None:
    world.runs(1)
    data = world.export().read_bytes()
    log_in(client, "root")
    for wrong in ("", "guessed"):
        assert upload(client, wrong, data).status_code == 403
    assert world.arrived() == []


def test_an_upload_above_the_limit_is_refused_before_it_is_read(
    world: World, client: TestClient[Any]
) -> None:
    csrf = log_in(client, "root")
    assert upload(client, csrf, b"x" * LIMIT).status_code == 413

    def unannounced() -> Iterator[bytes]:
        yield b"x"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/imports", content=unannounced(), headers=headers).status_code == 411


def test_a_malformed_form_is_refused(world: World, client: TestClient[Any]) -> None:
    log_in(client, "root")
    for kind, body in (
        ("multipart/form-data; boundary=x", b"--x\r\nno end"),
        ("multipart/form-data", b"--x--"),
        ("application/octet-stream", b"raw"),
    ):
        answer = client.post("/imports", content=body, headers={"Content-Type": kind})
        assert 400 <= answer.status_code < 500, (kind, answer.status_code)
    assert world.arrived() == []
