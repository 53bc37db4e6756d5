"""Fixtures for tests that reach another machine: the other machine is a real sshd on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sshd import Sshd, start_sshd


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
