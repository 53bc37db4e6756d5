"""A site's run from an enrolled laptop to the real collector: every target, and what stands across them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import ROOT, environment
from real_collector import RealCollector
from sqlalchemy import select
from sshd import Sshd

from agent.enrolment import enrol
from agent.paths import State
from server.tables import Binding, Document, Finding, Receipt, TargetRow

PROFILE = """
profile: plant
version: "1"
title: A plant's machines
items:
  - check: os.supported
    with: {supported: [debian>=12]}
  - id: zone
    check: time.zone
  - id: db.missing
    check: file.stat
    on: db
    severity: P1
    with: {path: /srv/there-is-no-such-file}
"""


@pytest.fixture
def real(sqlite_path: Path, tmp_path: Path) -> Iterator[RealCollector]:
    collector = RealCollector(sqlite_path, tmp_path / "collector.log")
    yield collector
    collector.stop()


def check(state: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", "check", "-s", "site.yaml", "-F", "config", *options],
        cwd=folder,
        env=environment(state) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_run_of_a_site_is_stored_and_counts_at_every_target(
    real: RealCollector, ssh_server: Sshd, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    enrol(State(state), real.url, real.token(), target="laptop")
    (tmp_path / "plant.yaml").write_text(PROFILE)
    (tmp_path / "config").write_text(
        f"Host *\n  User {ssh_server.user}\n  Port {ssh_server.port}\n  IdentityFile {ssh_server.identity}\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {ssh_server.known_hosts}\n"
    )
    address = ssh_server.addresses[0]
    (tmp_path / "site.yaml").write_text(
        "site: plant-a\nprofile: ./plant.yaml\ntargets:\n"
        f"  app1: {{address: {address}, roles: [app]}}\n"
        f"  db1: {{address: {address}, roles: [db]}}\n"
        "  laptop: {local: true}\n"
    )
    first = check(state, tmp_path)
    second = check(state, tmp_path, "--target", "db1")
    assert (first.returncode, second.returncode) == (1, 1), first.stdout + second.stderr
    assert "sent as run" in first.stderr
    with real.db.read() as session:
        assert len(session.scalars(select(Receipt.id)).all()) == 2
        assert len(session.scalars(select(Document.run_id)).all()) == 2
        names = dict(session.execute(select(TargetRow.id, TargetRow.name)).all())
        assert set(names.values()) == {"app1", "db1", "laptop", "site/*"}
        assert {names[target] for target in session.scalars(select(Binding.target_id))} == set(names.values())
        failing = select(Finding.target_id, Finding.item).where(Finding.status == "fail")
        assert {(names[target], item) for target, item in session.execute(failing)} == {("db1", "db.missing")}
        across = select(Finding.status).where(Finding.item == "zone")
        assert session.scalars(across).all() == ["pass"]


def test_a_site_that_the_agent_may_not_report_for_is_refused_before_anything_is_read(
    real: RealCollector, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    enrol(State(state), real.url, real.token(), target="laptop")
    (tmp_path / "config").write_text("")
    (tmp_path / "site.yaml").write_text("site: plant-z\ntargets:\n  a: {address: 127.0.0.1, port: 1}\n")
    refused = check(state, tmp_path)
    assert refused.returncode == 2
    assert "this agent may report for plant-a" in refused.stderr
