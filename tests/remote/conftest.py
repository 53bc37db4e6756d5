"""Fixtures for tests that reach another machine: the other machine is a real sshd on loopback."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from far_side import Asked, somebody_at, spy_on_rounds
from ssh_accounts import Account
from ssh_site import SiteFolder
from sshd import Sshd, start_sshd

from checks.facts import shell


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server for keys and certificates that all tests share; whoever changes one starts their own."""
    with start_sshd(tmp_path_factory.mktemp("ssh_server")) as server:
        yield server


@pytest.fixture(scope="session")
def password_ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Like `ssh_server`, but it takes passwords too."""
    options: dict[str, str | int | list[str]] = {"PasswordAuthentication": "yes"}
    with start_sshd(tmp_path_factory.mktemp("password_ssh_server"), options=options) as server:
        yield server


@pytest.fixture
def visit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SiteFolder:
    """A folder with a home of its own; nothing of the person who runs the tests gets in."""
    folder = SiteFolder(tmp_path / "visit")
    monkeypatch.setenv("HOME", str(folder.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def somebody(ssh_server: Sshd) -> Iterator[Account]:
    """An account that `ssh_server` lets in; nothing but its key is in its home."""
    with somebody_at(ssh_server) as made:
        yield made


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Every round of scripts that this test runs, in order."""
    return spy_on_rounds(monkeypatch)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> int:
    """Sections may take three seconds only, which is still long for a slow machine and short for a test."""
    monkeypatch.setattr(shell, "SHORT_S", 3)
    return 3


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="flt-open-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
