"""A bundle of a site: readings and logs of targets over SSH, in one file under names of ours."""

from __future__ import annotations

import io
import zipfile

import pytest
from ssh_site import SiteFolder
from sshd import Sshd

SITE = """\
db1: {address: 127.0.0.1, roles: [db]}
gone: {address: 127.0.0.1, port: 1, roles: [db]}
laptop: {local: true}
"""

PROFILE = """\
profile: erp
version: "1"
title: An ERP
variables: {where: FOLDER}
items:
  - {id: passwd, check: file.stat, with: {path: /etc/passwd}}
logs:
  - {file: "${where}/*.log", lines: 3, on: db}
  - {file: /etc/nothing.log}
"""

SECRET = "hunter2-in-a-log"


def test_logs_of_far_targets_are_read_redacted_and_named_by_us(
    visit: SiteFolder, ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = visit.folder / "logs"
    odd = logs / "a ..%2f..%2fetc passwd;$(id).log"
    logs.mkdir()
    odd.write_text("".join(f"line {number}\n" for number in range(9)) + f"password={SECRET}\n")
    visit.write("visit.yaml", PROFILE.replace("FOLDER", str(logs)))
    visit.write_config(ssh_server)
    visit.write_site(SITE)
    words = ["bundle", "-s", "site.yaml", "-F", "config", "-o", "b.zip", "--yes"]
    answer = visit.run_here(monkeypatch, *words)
    assert answer.code == 0, answer.err
    assert f"db1: {odd} (older lines left out)" in answer.out
    assert "laptop: /etc/nothing.log: /etc/nothing.log: No such file or directory" in answer.out
    assert "gone: /etc/nothing.log: 127.0.0.1:1: Connection refused" in answer.out
    data = (visit.folder / "b.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        text = archive.read("logs/001.txt").decode()
        assert [name for name in archive.namelist() if name.startswith("logs/")] == ["logs/001.txt"]
        assert all(SECRET.encode() not in archive.read(name) for name in archive.namelist())
    assert text.startswith("line 7\nline 8\npassword=[redacted:")
    again = visit.run_here(monkeypatch, "diff", "b.zip", "b.zip")
    assert again.code == 0, again.err


def test_the_plan_of_a_bundle_names_every_log_at_its_target_and_reads_nothing(
    visit: SiteFolder, ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit.write("visit.yaml", PROFILE.replace("FOLDER", "/var/log/erp"))
    visit.write_config(ssh_server)
    visit.write_site(SITE)
    answer = visit.run_here(monkeypatch, "bundle", "-s", "site.yaml", "-F", "config", "--plan")
    assert answer.code == 0, answer.err
    blocks = {block.split()[0]: block for block in answer.out.split("\n\n")[1:]}
    assert "log  /var/log/erp/*.log: list /var/log/erp" in blocks["db1"]
    assert "/var/log/erp" not in blocks["laptop"]
    assert "log  /etc/nothing.log" in blocks["laptop"]
