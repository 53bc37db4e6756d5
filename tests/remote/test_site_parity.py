"""The whole program: a machine that is checked over SSH has the results that it has when it checks itself."""

from __future__ import annotations

import pytest
from far_side import Sessions, somebody_at
from parity_samples import LONG_NAME, make_world
from ssh_accounts import Account
from ssh_site import SiteFolder
from sshd import Sshd

PROFILE = """\
profile: visit
version: "1"
title: A visit
extends: linux-server
items:
  - {{id: there, check: file.stat, with: {{path: "{folder}/line", type: file}}}}
  - {{id: odd, check: file.stat, with: {{path: "{folder}/odd/$(echo x)`id`$HOME/$(echo x)`id`$HOME"}}}}
  - {{id: not-there, check: file.stat, with: {{path: "{folder}/nowhere"}}}}
  - {{id: closed, check: file.stat, with: {{path: "{folder}/closed/file"}}}}
  - {{id: content, check: file.content, with: {{path: "{folder}/line", pattern: "one (line)"}}}}
  - {{id: secret, check: file.content, with: {{path: "{folder}/secret", pattern: "open"}}}}
  - {{id: binary, check: file.content, with: {{path: "{folder}/binary", pattern: "x"}}}}
  - {{id: large, check: file.content, with: {{path: "{folder}/too large", pattern: "x"}}}}
  - {{id: value, check: cfg.value, with: {{path: "{folder}/values.ini", key: server.port, value: 5432}}}}
  - {{id: runs, check: proc.running, with: {{name: {sleeper}, allow_root: true}}}}
  - {{id: runs-not, check: proc.running, with: {{name: flt-does-not-run}}}}
  - {{id: port, check: net.port_reach, with: {{host: 127.0.0.1, port: {port}}}}}
"""
GOOD = ("there", "odd", "content", "value", "runs", "port")
BAD = ("not-there", "runs-not")


@pytest.mark.parametrize("sudo", [False, True], ids=["without sudo", "with sudo"])
def test_a_target_over_ssh_has_the_results_of_the_machine(
    ssh_server: Sshd, visit: SiteFolder, sudo: bool
) -> None:
    rights = "{name} ALL=(root) NOPASSWD: /usr/bin/sh -s, /bin/sh -s" if sudo else ""
    with somebody_at(ssh_server, sudo=rights) as somebody, make_world(somebody) as world:
        sessions = Sessions(ssh_server, somebody)
        visit.write(
            "visit.yaml", PROFILE.format(folder=world.folder, port=world.open_port, sleeper=LONG_NAME)
        )
        visit.write_config(ssh_server)
        address = ssh_server.addresses[0]
        visit.write_site(
            f"far: {{address: {address}, user: {somebody.name}, sudo: {str(sudo).lower()}}}\n"
            f"root: {{address: {address}}}\nhere: {{local: true}}"
        )
        answer = visit.check()
        assert sessions.count == (2 if sudo else 1)
    assert answer.code in (0, 1), answer.err
    assert answer.err.count("Secsh") == 0
    here, far, root = (answer.results(target) for target in ("here", "far", "root"))
    assert len(here) > 20
    # An agent delivers from its own machine, and that is no target's matter.
    told = [results.pop("agent.upload") for results in (here, far, root)]
    assert told == [("skip", "not-enrolled"), ("skip", "elsewhere"), ("skip", "elsewhere")]
    assert root == here
    refused = {item for item, (status, cause) in far.items() if cause == "denied"}
    if sudo:
        assert far == here
    else:
        assert {"closed", "secret"} <= refused
        assert {item: far[item] for item in far if item not in refused | {"lim.nofile"}} == {
            item: here[item] for item in here if item not in refused | {"lim.nofile"}
        }
    expected = {**dict.fromkeys(GOOD, "pass"), **dict.fromkeys(BAD, "fail")}
    assert {item: here[item][0] for item in expected} == expected


def test_what_is_refused_is_an_error_that_says_what_it_needs(
    ssh_server: Sshd, visit: SiteFolder, somebody: Account
) -> None:
    visit.write(
        "visit.yaml",
        "profile: visit\nversion: '1'\ntitle: A visit\nitems:\n"
        "  - {id: shadow, check: file.content, with: {path: /etc/shadow, pattern: root}}\n",
    )
    visit.write_config(ssh_server)
    visit.write_site(f"far: {{address: {ssh_server.addresses[0]}, user: {somebody.name}}}")
    (result,) = visit.check().report["results"]
    assert (result["status"], result["cause"]) == ("error", "denied")
    assert "needs: root (/etc/shadow: Permission denied)" in str(result)
    assert f"{somebody.name} ALL=(root) NOPASSWD: /usr/bin/sh -s, /bin/sh -s" in str(result)
