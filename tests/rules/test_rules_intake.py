"""The door for published rules: what is not believed changes nothing, and costs one line."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules_world import HARMLESS, Machine, acme, public, waiver

from agent.identity import load_identity, save_identity
from agent.rules.held import in_force
from agent.rules.intake import take
from checks.errors import BadInput
from checks.rules import PublishedProfile, ScheduleEntry
from checks.signed import sign


def refused(machine: Machine, data: bytes, said: str) -> None:
    """It is told in one line, and what was held stays."""
    before = files_of(machine.state.root)
    with pytest.raises(BadInput, match=said) as error:
        take(machine.state, data)
    assert "\n" not in str(error.value)
    assert files_of(machine.state.root) == before


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def test_what_the_pinned_key_signed_is_in_force(machine: Machine) -> None:
    assert in_force(machine.state) is None
    taken = machine.published(acme(HARMLESS), waivers=[waiver("passwd")])
    assert str(taken) == "rules 1 taken: acme 1"
    rules = in_force(machine.state)
    assert rules is not None
    assert ([each.id for each in rules.profiles], rules.waivers[0].item) == (["acme"], "passwd")
    assert machine.state.rules_file.stat().st_mode & 0o077 == 0


def test_the_same_again_is_nothing_new(machine: Machine) -> None:
    rules = machine.rules(acme(HARMLESS))
    take(machine.state, machine.file(rules))
    assert str(take(machine.state, machine.file(rules))) == "rules 1 are held already"


def test_only_upward_in_version(machine: Machine) -> None:
    machine.published(acme(HARMLESS, "2"))
    take(machine.state, machine.file(machine.rules(acme(HARMLESS, "3"), version=7)))
    refused(machine, machine.file(machine.rules(acme(HARMLESS), version=5)), "rules 5 are older than rules 7")
    refused(
        machine, machine.file(machine.rules(acme(HARMLESS), version=7)), "these are others of that number"
    )


def test_unsigned_signed_by_another_or_tampered_with_it_is_not_believed(machine: Machine) -> None:
    body = msgspec.json.encode(machine.rules(acme(HARMLESS)))
    whole = machine.file(body)
    refused(machine, machine.file(body, Ed25519PrivateKey.generate()), "not signed with the pinned key")
    refused(machine, body, "not a file that Firstlight signed")
    refused(machine, whole[:-5], "the body does not fit its hash")
    refused(machine, whole.replace(b"acme", b"acne"), "the body does not fit its hash")
    refused(machine, sign("receipts", "epoch-1", body, machine.key).to_bytes(), "a file of receipts")
    head, _, rest = whole.partition(b"\n")
    refused(machine, head.replace(b'"epoch-1"', b'"epoch-2"') + b"\n" + rest, "not signed with the pinned")
    refused(machine, b"", "not a file that Firstlight signed")
    refused(machine, b"[" * 100_000, "not a file that Firstlight signed")
    refused(machine, b"x" * (4 * 1024 * 1024 + 1), "more than 4 MiB")


def test_rules_of_another_site_are_no_ones_here(machine: Machine) -> None:
    refused(machine, machine.file(machine.rules(acme(HARMLESS), site="plant-b")), "rules for site 'plant-b'")


def test_without_a_pinned_key_nothing_is_believed(machine: Machine) -> None:
    data = machine.file(machine.rules(acme(HARMLESS)))
    save_identity(machine.state, msgspec.structs.replace(machine.identity, sign_key=""))
    refused(machine, data, "no key to check rules with; enrol again")


def entry(**values: str) -> ScheduleEntry:
    return ScheduleEntry(**{"name": "hourly", "every": "1h"} | values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (entry(site_file="/root/site.yaml"), "names a site file, which no collector may"),
        (entry(site="plant-b"), "is for site 'plant-b'"),
        (entry(profile="/tmp/x.yaml"), "neither shipped nor published"),
        (entry(profile="../x"), "neither shipped nor published"),
        (entry(profile="x.yaml"), "neither shipped nor published"),
        (entry(profile="unknown"), "neither shipped nor published"),
        (entry(every="never"), "schedule hourly"),
        (entry(cron="* * * * *"), "schedule hourly"),
    ],
)
def test_a_schedule_reaches_for_nothing_of_its_own(
    machine: Machine, schedule: ScheduleEntry, said: str
) -> None:
    refused(machine, machine.file(machine.rules(acme(HARMLESS), schedules=(schedule,))), said)


def test_schedules_of_shipped_and_published_profiles_are_taken(machine: Machine) -> None:
    machine.published(
        acme(HARMLESS), schedules=[entry(profile="acme"), entry(name="b", profile="linux-server")]
    )
    rules = in_force(machine.state)
    assert rules is not None
    assert [each.profile for each in rules.schedules] == ["acme", "linux-server"]


def test_one_profile_that_cannot_be_used_costs_all(machine: Machine) -> None:
    machine.published(acme(HARMLESS))
    for bad, said in (
        (acme("- {check: no.such}\n", "2"), "unknown check"),
        (acme(HARMLESS, "2", extends="../x.yaml"), "no file"),
        (acme("- {id: a, check: cmd.output, with: {command: ['a b']}}\n", "2"), "list of words"),
    ):
        rules = machine.rules(acme(HARMLESS, id="fine"))
        other = PublishedProfile("acme", "2", bad)
        refused(
            machine, machine.file(msgspec.structs.replace(rules, profiles=(*rules.profiles, other))), said
        )


def test_a_published_profile_never_takes_a_shipped_name(machine: Machine) -> None:
    text = acme("- {id: own, check: cmd.output, with: {command: [id]}}\n", id="linux-server")
    rules = machine.rules()
    named = msgspec.structs.replace(rules, profiles=(PublishedProfile("linux-server", "1", text),))
    refused(machine, machine.file(named), "is shipped with Firstlight")


@pytest.mark.parametrize(
    "id", ["../../../etc/cron.d/x", "/etc/passwd", "a/b", ".", "..", "a\x00b", "CON", "é"]
)
def test_names_are_never_paths(machine: Machine, id: str) -> None:
    rules = machine.rules()
    text = msgspec.json.encode({"profile": id, "version": "1", "items": []}).decode()
    named = msgspec.structs.replace(rules, profiles=(PublishedProfile(id, "1", text),))
    refused(machine, machine.file(named), ".")


def test_what_a_newer_collector_says_is_not_half_understood(machine: Machine) -> None:
    body = msgspec.json.encode(msgspec.to_builtins(machine.rules()) | {"more": 1})
    refused(machine, machine.file(body), "is this agent too old")
    refused(machine, machine.file(b"[]"), "not rules that this version knows")
    refused(machine, machine.file(b"\xff"), "not rules that this version knows")
    refused(machine, machine.file(b"[" * 5_000), "not rules that this version knows")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spoilt_bytes_never_do_more_than_be_refused(machine: Machine, data: st.DataObject) -> None:
    whole = machine.file(machine.rules(acme(HARMLESS), version=1))
    at = data.draw(st.integers(0, len(whole) - 1))
    spoilt = whole[:at] + data.draw(st.binary(max_size=20)) + whole[at + data.draw(st.integers(1, 40)) :]
    if spoilt != whole:
        refused(machine, spoilt, ".")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=30),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
        max_leaves=12,
    )
)
def test_signed_nonsense_never_does_more_than_be_refused(machine: Machine, body: object) -> None:
    refused(machine, machine.file(msgspec.json.encode(body)), ".")
    wrapped = msgspec.to_builtins(machine.rules(version=1)) | {"profiles": body}
    if body not in ([], {}):
        refused(machine, machine.file(msgspec.json.encode(wrapped)), ".")


def test_a_new_key_is_believed_because_the_one_before_announced_it(machine: Machine) -> None:
    new = Ed25519PrivateKey.generate()
    stolen = machine.file(machine.rules(acme(HARMLESS), version=9), new)
    refused(machine, stolen, "not signed with the pinned key")
    machine.version = 0
    taken = machine.published(acme(HARMLESS), next_sign_key=public(new))
    assert taken.key
    assert machine.identity.sign_key == public(new)
    assert in_force(machine.state) is not None
    refused(machine, machine.file(machine.rules(acme(HARMLESS))), "not signed with the pinned key")
    assert take(machine.state, machine.file(machine.rules(acme(HARMLESS)), new)).version == 3


def test_a_key_that_is_announced_again_with_the_same_rules_is_pinned(machine: Machine) -> None:
    """The program was killed between keeping the rules and pinning the key."""
    new = Ed25519PrivateKey.generate()
    before = machine.identity
    data = machine.file(machine.rules(acme(HARMLESS), next_sign_key=public(new)))
    take(machine.state, data)
    save_identity(machine.state, before)
    assert in_force(machine.state) is not None
    take(machine.state, data)
    assert machine.identity.sign_key == public(new)


def test_a_wrong_key_is_not_pinned(machine: Machine) -> None:
    refused(machine, machine.file(machine.rules(next_sign_key="AAAA")), "a public key has 3 bytes")


def test_enrolled_with_another_collector_the_rules_of_the_one_before_are_gone(machine: Machine) -> None:
    machine.published(acme(HARMLESS))
    machine.published(acme(HARMLESS, "2"))
    other = Ed25519PrivateKey.generate()
    save_identity(machine.state, msgspec.structs.replace(machine.identity, sign_key=public(other)))
    assert in_force(machine.state) is None
    assert take(machine.state, machine.file(machine.rules(acme(HARMLESS), version=1), other)).before == 0


def test_damaged_rules_are_not_in_force_and_are_replaced(machine: Machine) -> None:
    machine.published(acme(HARMLESS))
    for damage in (b"", b"{}", b"\xff\n\xff", machine.state.rules_file.read_bytes()[:-3]):
        machine.state.rules_file.write_bytes(damage)
        assert in_force(machine.state) is None
    assert machine.published(acme(HARMLESS)).before == 0


def test_where_nothing_can_be_written_the_rules_before_stay(machine: Machine) -> None:
    machine.published(acme(HARMLESS))
    kept = machine.state.rules_file.read_bytes()
    machine.state.rules_file.with_name(f".held.{os.getpid()}.new").mkdir()
    with pytest.raises(OSError):
        machine.published(acme(HARMLESS, "2"))
    assert machine.state.rules_file.read_bytes() == kept
    assert in_force(machine.state) is not None


def test_a_machine_that_is_not_enrolled_takes_nothing(machine: Machine) -> None:
    data = machine.file(machine.rules(acme(HARMLESS)))
    machine.state.identity.unlink()
    with pytest.raises(BadInput, match="not enrolled"):
        take(machine.state, data)
    assert load_identity(machine.state) is None
