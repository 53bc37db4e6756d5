"""One standalone build for all deployments; a deployer with a machine and a collector of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy_world import Deployer, add_admin, one_at_a_time
from real_collector import RealCollector
from ssh_accounts import need_root
from sshd import Sshd, start_sshd


@pytest.fixture(scope="session")
def deploy_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with start_sshd(tmp_path_factory.mktemp("deploy_sshd")) as server:
        yield server


@pytest.fixture
def deployer(
    deploy_sshd: Sshd, standalone_archive: Path, sqlite_path: Path, tmp_path: Path
) -> Iterator[Deployer]:
    need_root()
    collector = RealCollector(sqlite_path, tmp_path / "server.log")
    add_admin(collector)
    made = Deployer(deploy_sshd, collector, tmp_path, standalone_archive)
    try:
        with one_at_a_time():
            made.sweep()
            yield made
    finally:
        made.sweep()
        collector.stop()
