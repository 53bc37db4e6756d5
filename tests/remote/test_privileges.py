"""`plan --privileges`: what has to be allowed, ready to be pasted: sudoers lines, grants, firewall rows."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import ClassVar

import pytest
import services
from ssh_accounts import account
from ssh_site import SiteFolder
from sshd import Sshd

from checks import registry
from checks.fact import Fact, fact
from checks.facts.asks import Ask, Connect
from checks.model import Severity, Verdict
from checks.verdicts import passed


@fact
class SlowStatements(Fact, frozen=True):
    """What a database says of itself, for which it has to be let in."""

    value_type: ClassVar[type] = int
    host: str

    def describe(self) -> str:
        return f"query {self.host}"

    def asks(self) -> tuple[Ask, ...]:
        return (Connect(self.host, 5432),)

    def grants(self) -> tuple[str, ...]:
        return ("GRANT pg_monitor TO firstlight;",)

    def read(self, host: object) -> int:
        return 0


@registry.check(
    "test.statements", severity=Severity.P2, about="host", owner="dba", slow=SlowStatements("{host}")
)
def statements(slow: int, host: str) -> Verdict:
    """Statements are fast.

    Remedy: make them fast.
    Source: our judgement.
    """
    return passed("they are")


PROFILE = """\
profile: erp
version: "1"
title: An ERP
items:
  - {id: files, check: file.stat, with: {path: /etc/shadow}}
  - {id: reach, check: net.port_reach, on: app, with: {host: db1, port: 5432}}
  - {id: slow, check: test.statements, on: db, with: {host: db1}}
  - {id: rack, check: net.port_reach, on: here, with: {host: mail, port: 25}}
"""

SITE = """\
site: plant
profile: ./erp.yaml
targets:
  bastion: {address: bastion.plant, user: jump, port: 2200}
  db1: {address: 10.0.0.5, user: deploy, sudo: true, roles: [db], via: bastion}
  db2: {address: 10.0.0.6, user: 'PLANT\\deploy', sudo: true, roles: [db], via: bastion}
  app1: {address: 10.0.0.4, user: web, roles: [app], via: 'ops@edge:2222'}
  root1: {address: 10.0.0.9, user: root, sudo: true}
  laptop: {local: true, roles: [here]}
"""


@pytest.fixture
def said(visit: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> str:
    visit.write("erp.yaml", PROFILE)
    visit.write("site.yaml", SITE)
    answer = visit.run_here(monkeypatch, "plan", *visit.usual(), "--privileges")
    assert (answer.code, answer.err) == (0, "")
    return answer.out


def below(said: str, title: str) -> list[str]:
    """The lines of one list."""
    lines = said.split(f"{title}")[1].splitlines()[2:]
    return [line.removeprefix("  ") for line in lines[: lines.index("")]]


def test_a_sudoers_line_for_each_target_that_has_sudo(said: str) -> None:
    line = "{} ALL=(root) NOPASSWD: /usr/bin/sh -s, /bin/sh -s    # {}"
    assert below(said, "sudoers (visudo -f /etc/sudoers.d/firstlight), on the target named") == [
        line.format("deploy", "db1"),
        line.format(r"PLANT\\deploy", "db2"),
    ]


def test_sudo_accepts_the_lines(said: str, tmp_path: Path) -> None:
    visudo = services.program("visudo", "sudo")
    file = tmp_path / "firstlight"
    file.write_text(
        "\n".join(below(said, "sudoers (visudo -f /etc/sudoers.d/firstlight), on the target named")) + "\n"
    )
    file.chmod(0o440)
    checked = subprocess.run([visudo, "-c", "-f", str(file)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.fixture
def shadow(visit: SiteFolder, ssh_server: Sshd) -> SiteFolder:
    """A visit whose profile reads what root alone may."""
    item = "{id: files, check: file.content, with: {path: /etc/shadow, pattern: '^root:'}}"
    visit.write("visit.yaml", f"profile: s\nversion: '1'\ntitle: S\nitems:\n  - {item}\n")
    visit.write_config(ssh_server)
    return visit


def test_a_line_is_all_that_it_takes(
    shadow: SiteFolder, ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the line that is printed a login reads what root alone may, and without it not."""
    with account() as plain:
        plain.authorize(ssh_server.public_key)
        shadow.write_site(f"a: {{address: 127.0.0.1, user: {plain.name}, sudo: true}}")
        assert shadow.check_here(monkeypatch).results("a") == {"files": ("error", "denied")}
        printed = shadow.run_here(monkeypatch, "plan", *shadow.usual(), "--privileges").out
        line = below(printed, "on the target named")[0].split("    #")[0].replace(plain.name, "{name}")
    with account(sudo=line) as allowed:
        allowed.authorize(ssh_server.public_key)
        shadow.write_site(f"a: {{address: 127.0.0.1, user: {allowed.name}, sudo: true}}")
        assert shadow.check_here(monkeypatch).results("a") == {"files": ("pass", "")}


def test_what_could_not_be_read_names_the_line(
    shadow: SiteFolder, ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with account() as plain:
        plain.authorize(ssh_server.public_key)
        for sudo in ("false", "true"):
            shadow.write_site(f"a: {{address: 127.0.0.1, user: {plain.name}, sudo: {sudo}}}")
            (result,) = shadow.check_here(monkeypatch).report["results"]
            assert f"{plain.name} ALL=(root) NOPASSWD: /usr/bin/sh -s, /bin/sh -s" in result["message"]


def test_grants_are_those_of_the_facts_each_once(said: str) -> None:
    assert below(said, "database grants") == ["GRANT pg_monitor TO firstlight;"]


def test_firewall_rows_are_all_connections_that_are_made(said: str) -> None:
    rows = [line.split(maxsplit=3) for line in below(said, "firewall rows: from, to, port, for")]
    rows = [
        line.replace("this machine", "this-machine").split(maxsplit=3) for line in below(said, "port, for")
    ]
    assert rows == [
        ["this-machine", "bastion.plant", "2200/tcp", "ssh to bastion"],
        ["bastion", "10.0.0.5", "22/tcp", "ssh to db1"],
        ["bastion", "10.0.0.6", "22/tcp", "ssh to db2"],
        ["this-machine", "edge", "2222/tcp", "ssh to app1"],
        ["ops@edge:2222", "10.0.0.4", "22/tcp", "ssh to app1"],
        ["this-machine", "10.0.0.9", "22/tcp", "ssh to root1"],
        ["db1", "db1", "5432/tcp", "what is checked"],
        ["db2", "db1", "5432/tcp", "what is checked"],
        ["app1", "db1", "5432/tcp", "what is checked"],
        ["this-machine", "mail", "25/tcp", "what is checked"],
    ]


def test_who_has_no_sudo_is_told_what_that_means(said: str) -> None:
    assert "At bastion, app1 everything is read with the login's own rights" in said
    assert "root1" not in said.splitlines()[-1]


def test_less_is_asked_for_where_less_is_checked(
    visit: SiteFolder, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["plan", *visit.usual(), "--privileges", "--target", "laptop"]
    alone = visit.run_here(monkeypatch, *words).out
    assert below(alone, "on the target named") == ["none"]
    assert below(alone, "database grants") == ["none"]
    assert [row.split()[:4] for row in below(alone, "port, for")] == [["this", "machine", "mail", "25/tcp"]]
    nothing = visit.run_here(monkeypatch, *words, "--only", "files").out
    assert below(nothing, "port, for") == ["none"]


def test_without_a_site_file_this_machine_needs_nothing(
    visit: SiteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = visit.run_here(monkeypatch, "plan", "linux-server", "--privileges").out
    assert said.count("  none\n") == 3
    assert "Everything else is read with the login's own rights." in said
