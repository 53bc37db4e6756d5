"""Checks from a folder, in YAML and with a fact of their own, at a target over SSH as on this machine."""

from __future__ import annotations

from pathlib import Path

from ssh_site import SiteFolder
from sshd import Sshd

from checks.authoring.scaffold import write_check

PROFILE = """\
profile: visit
items:
  - {{id: one, check: acme.one, with: {{path: {folder}/count}}}}
  - {{id: two, check: acme.two, with: {{path: {folder}/two.ini}}}}
  - {{id: none, check: acme.one, with: {{path: {folder}/gone}}}}
"""
SITE = """\
far: {address: 127.0.0.1}
here: {local: true}
"""


def test_a_fact_of_a_folder_reads_over_ssh_what_it_reads_here(
    visit: SiteFolder, ssh_server: Sshd, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir(mode=0o755)
    write_check("acme.one", own, as_yaml=False)
    write_check("acme.two", own, as_yaml=True)
    (tmp_path / "count").write_text("7\n")
    (tmp_path / "two.ini").write_text("[two]\ncount = 0\n")
    visit.write("visit.yaml", PROFILE.format(folder=tmp_path))
    visit.write_config(ssh_server)
    visit.write_site(SITE)
    answer = visit.check("--checks-dir", str(own))
    wanted = {"one": ("pass", ""), "two": ("fail", "low"), "none": ("error", "absent")}
    assert answer.results("far") == wanted
    assert answer.results("here") == wanted
    (far,) = (each for each in answer.report["results"] if (each["target"], each["item"]) == ("far", "one"))
    assert far["message"] == "there are 7"
