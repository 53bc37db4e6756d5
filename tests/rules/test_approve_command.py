"""firstlight approve, as a person at a terminal meets it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from machine import firstlight
from rules_world import HARMLESS, Machine, acme, leaves
from terminal import at_a_terminal

from agent.rules.approvals import every
from agent.rules.words import harmless, page


@dataclass
class Desk:
    """Where somebody sits down at the terminal."""

    folder: Path
    state: Path
    home: Path


@pytest.fixture
def desk(machine: Machine, tmp_path: Path) -> Any:
    return Desk(tmp_path, machine.state.root, tmp_path)


def lines(machine: Machine) -> list[str]:
    return list(page(machine.state, machine.newest(), "executing"))


def test_a_person_sees_all_of_it_and_says_yes(machine: Machine, desk: Any, tmp_path: Path) -> None:
    machine.published(acme(HARMLESS + leaves(tmp_path / "trace")))
    said, code = at_a_terminal(desk, ["approve", "acme"], {"Allow this plan on this machine? [y/N]": "y"})
    assert code == 0, said
    shown = [line.rstrip() for line in said.splitlines()]
    assert shown[0] == "acme 1, published by the collector, for app-01"
    assert "Nothing of it was allowed here before. Beyond what shipped profiles touch:" in shown
    assert f"  app-01: + run touch {tmp_path}/trace" in shown
    assert "  app-01  own (cmd.output), P2: runs a command" in shown
    assert f'      command: ["touch","{tmp_path}/trace"]' in shown
    assert f"      > run touch {tmp_path}/trace" in shown
    assert "1 other item looks at what shipped profiles look at, and needs none." in shown
    (approval,) = every(machine.state)
    assert f"plan {approval.digest}" in shown
    assert (approval.profile, approval.version, approval.targets) == ("acme", "1", ("app-01",))
    assert abs((datetime.now(UTC) - approval.at).total_seconds()) < 3600
    assert machine.held() == set()


def test_a_person_says_no_and_nothing_has_changed(machine: Machine, desk: Any, tmp_path: Path) -> None:
    machine.published(acme(leaves(tmp_path / "trace")))
    said, code = at_a_terminal(desk, ["approve"], {"[y/N]": "n"})
    assert (code, "not allowed; nothing has changed" in said) == (1, True)
    assert every(machine.state) == []


def test_without_a_person_it_is_shown_and_not_allowed(machine: Machine, tmp_path: Path) -> None:
    machine.published(acme(leaves(tmp_path / "trace")))
    done = firstlight("approve", "acme", state=machine.state.root, input="y\n")
    assert done.returncode == 2
    assert "nobody is here to be asked" in done.stderr
    assert every(machine.state) == []


def test_the_digest_that_was_looked_at_elsewhere_allows_that_plan_and_no_other(
    machine: Machine, tmp_path: Path
) -> None:
    machine.published(acme(leaves(tmp_path / "trace")))
    digest = machine.newest().digest
    machine.published(acme(leaves(tmp_path / "other"), "2"))
    refused = firstlight("approve", "acme", "--yes", digest, state=machine.state.root)
    assert refused.returncode == 2
    assert "that is not what waits now: acme 2 is" in refused.stderr
    # Two plans that begin alike in 12 digits take 16 million tries, and the collector writes both.
    for short in (machine.newest().digest[:12], machine.newest().digest[:63], "x" * 64, ""):
        assert firstlight("approve", "--yes", short, state=machine.state.root).returncode == 2
    assert every(machine.state) == []
    done = firstlight("approve", "--yes", machine.newest().digest, state=machine.state.root)
    assert (done.returncode, done.stdout[:15]) == (0, "allowed: acme 2")


def test_the_difference_is_to_what_was_allowed_before(machine: Machine, tmp_path: Path) -> None:
    machine.published(acme(HARMLESS + leaves(tmp_path / "a")))
    machine.approve()
    machine.published(acme(HARMLESS + leaves(tmp_path / "b") + "- {check: disk.free}\n", "2"))
    told = lines(machine)
    at = told.index("Different from acme 1, allowed by li on 2026-11-20 09:00 UTC:")
    assert {
        f"  app-01: + run touch {tmp_path}/b",
        f"  app-01: - run touch {tmp_path}/a",
        "  app-01 disk.free is a new item",
        "  app-01 own has other parameters",
        "  the profile is acme 2, was acme 1",
    } <= set(told[at : told.index("", at)])


def test_what_came_from_elsewhere_cannot_hide_itself(machine: Machine) -> None:
    escape = "\\e[2K\\e[1A\\u202e\\u200f\\nplan 0000"
    machine.published(
        acme(
            f'- {{id: own, check: cmd.output, with: {{command: [touch, "/x{escape}", "{"long " * 500}"]}}}}\n'
        )
    )
    told = lines(machine)
    assert all(line.isprintable() for line in told)
    assert sum(line.startswith("plan ") for line in told) == 1
    ask = next(line for line in told if line.startswith("      > run touch"))
    assert "\\x1b[2K\\x1b[1A\\u202e\\u200f" in ask
    assert "long " * 500 in "".join(told)
    assert harmless("a\x00\x07b") == "a\\x00\\x07b"


def test_what_is_as_shipped_is_said_to_be(machine: Machine) -> None:
    machine.published(acme(HARMLESS, extends="linux-server"))
    told = [line for line in lines(machine) if ": runs a command" in line]
    assert told
    assert all(line.endswith("runs a command, as shipped profiles do") for line in told)


def test_listing_and_taking_back(machine: Machine, tmp_path: Path) -> None:
    machine.published(acme(leaves(tmp_path / "a")), acme(leaves(tmp_path / "b"), id="other"))
    plan = machine.approve()
    done = firstlight("approve", "--list", state=machine.state.root)
    waits = machine.newest("other").digest[:12]
    assert done.stdout.splitlines() == [
        f"waits\t{waits}\tother 1\t1 item",
        f"allowed\t{plan.digest[:12]}\tacme 1\tapp-01\t2026-11-20 09:00 UTC\tli",
    ]
    gone = firstlight("approve", "--withdraw", plan.digest[:12], state=machine.state.root)
    assert (gone.returncode, gone.stdout) == (0, f"taken back: acme 1, plan {plan.digest[:12]}\n")
    assert machine.held() == {"own"}
    again = firstlight("approve", "--withdraw", plan.digest[:12], state=machine.state.root)
    assert (again.returncode, "no approval" in again.stderr) == (2, True)


def test_what_needs_no_approval_is_not_asked_for(machine: Machine) -> None:
    machine.published(acme(HARMLESS))
    for args, said in (
        (["approve"], "nothing waits for an approval"),
        (["approve", "acme"], "acme 1 needs no approval here"),
    ):
        done = firstlight(*args, state=machine.state.root)
        assert (done.returncode, done.stdout.strip()) == (0, said)
    for args, said in (
        (["approve", "linux-server"], "only what the collector published needs an approval"),
        (["approve", "./x.yaml"], "only what the collector published needs an approval"),
        (["approve", "nobody"], "no profile 'nobody'"),
        (["approve", "-s", "site.yaml"], "-s is for one profile"),
    ):
        done = firstlight(*args, state=machine.state.root)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_an_approval_that_cannot_be_kept_is_loud(machine: Machine, tmp_path: Path) -> None:
    machine.published(acme(leaves(tmp_path / "a")))
    (machine.state.rules / "approved").write_text("in the way")
    done = firstlight("approve", "--yes", machine.newest().digest, state=machine.state.root)
    assert done.returncode == 3
    assert "the approval was NOT kept" in done.stderr
