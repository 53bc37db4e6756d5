"""How often a target is asked: everything that all facts want at a time is one script on one channel."""

from __future__ import annotations

from collections.abc import Sequence

from far_side import Asked, Command, Sessions, cause, read, read_at, target_at, value
from ssh_accounts import Account
from sshd import Sshd

from agent.targets.remote import MAX_ROUNDS
from checks.fact import Fact, Known, NotReadable, Unavailable
from checks.facts.asks import Ask, ListProcesses, ReadFile, StatFilesystem, StatPath, is_template
from checks.facts.disk import Mounts
from checks.facts.files import FileMatch, FileStat
from checks.facts.host import Host
from checks.facts.process import Processes, ProcessLimits
from checks.model import Target
from checks.plan import make_plan
from checks.profile import load_profile


class Chain(Fact, frozen=True):
    """Asks for one file after the other, each only once it knows of the last."""

    folder: str
    links: int

    value_type = int

    def describe(self) -> str:
        return f"read {self.folder}/<each number>"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(f"{self.folder}/<each number>"),)

    def read(self, host: Host) -> int:
        for link in range(self.links):
            try:
                host.read_bytes(f"{self.folder}/{link}")
            except NotReadable as problem:
                if problem.cause != "absent":
                    raise
        return self.links


class Reach(Fact, frozen=True):
    """Says that it reads one file and reads another."""

    said: str
    read_too: str

    value_type = int

    def describe(self) -> str:
        return f"read {self.said}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(self.said),)

    def read(self, host: Host) -> int:
        host.want([ReadFile(self.read_too)])
        return len(host.read_bytes(self.said)) + len(host.read_bytes(self.read_too))


def facts_of(profile: str) -> Sequence[Fact]:
    return list(make_plan(load_profile(profile), [Target("a")]).facts("a"))


def test_linux_server_takes_one_channel_and_two_rounds(
    ssh_server: Sshd, somebody: Account, rounds: list[Asked]
) -> None:
    sessions = Sessions(ssh_server, somebody)
    readings = read_at(ssh_server, facts_of("linux-server"), somebody.name)
    assert len(rounds) == 2
    assert sessions.count == 1
    assert sum(isinstance(reading, Known) for reading in readings.values()) > len(readings) / 2


def test_nothing_is_asked_twice(ssh_server: Sshd, rounds: list[Asked]) -> None:
    with target_at(ssh_server) as target:
        read(target, facts_of("linux-server"))
        read(target, [FileStat("/etc/passwd"), *facts_of("linux-server"), ProcessLimits("sshd")])
    asked = [ask for round_ in rounds for ask in round_.asks]
    assert len(asked) == len(set(asked))


def test_whatever_is_known_before_is_in_the_first_round(ssh_server: Sshd, rounds: list[Asked]) -> None:
    facts = [FileStat("/etc/passwd"), FileMatch("/etc/hosts", "x"), Processes("sshd"), Mounts()]
    read_at(ssh_server, facts)
    first = set(rounds[0].asks)
    assert first == {ask for fact in facts for ask in fact.asks() if not is_template(ask)}
    assert not any(is_template(ask) for round_ in rounds for ask in round_.asks)


def test_what_depends_on_an_earlier_reading_shares_the_next_round(
    ssh_server: Sshd, rounds: list[Asked]
) -> None:
    facts = [Mounts(), ProcessLimits("sshd"), ProcessLimits(), Chain("/no/such", 1)]
    readings = read_at(ssh_server, facts)
    assert len(rounds) == 2
    assert {type(ask) for ask in rounds[1].asks} == {ReadFile, StatPath, StatFilesystem}
    assert ReadFile("/no/such/0") in rounds[1].asks
    assert value(readings[facts[1]]).processes[0].name == "sshd"


def test_a_chain_takes_a_round_for_each_link(ssh_server: Sshd, rounds: list[Asked]) -> None:
    chain = Chain("/no/such", 4)
    assert value(read_at(ssh_server, [chain])[chain]) == 4
    assert [round_.asks for round_ in rounds] == [(ReadFile(f"/no/such/{at}"),) for at in range(4)]


def test_a_fact_that_asks_without_an_end_is_ended_and_costs_no_other(
    ssh_server: Sshd, rounds: list[Asked]
) -> None:
    endless, other = Chain("/no/such", 10_000), FileStat("/etc/passwd")
    readings = read_at(ssh_server, [endless, other, Mounts()])
    assert cause(readings[endless]) == "failed"
    assert "without an end" in str(readings[endless])
    assert isinstance(readings[other], Known)
    assert isinstance(readings[Mounts()], Known)
    assert len(rounds) <= MAX_ROUNDS


def test_what_a_fact_did_not_say_is_refused_and_not_even_asked(ssh_server: Sshd, rounds: list[Asked]) -> None:
    sly, honest = Reach("/etc/hosts", "/etc/shadow"), FileStat("/etc/hosts")
    readings = read_at(ssh_server, [sly, honest])
    assert cause(readings[sly]) == "not-approved"
    assert "/etc/shadow" in str(readings[sly])
    assert isinstance(readings[honest], Known)
    assert ReadFile("/etc/shadow") not in {ask for round_ in rounds for ask in round_.asks}


def test_a_template_lets_nothing_else_through(ssh_server: Sshd, rounds: list[Asked]) -> None:
    """`/proc/<pid of each process listening for TCP>/limits` is no leave to read another file of /proc."""

    class Curious(ProcessLimits, frozen=True):
        def read(self, host: Host) -> object:
            return host.read_bytes("/proc/self/environ")

    assert cause(read_at(ssh_server, [Curious()])[Curious()]) == "not-approved"


def test_a_fact_is_delivered_as_soon_as_it_is_known(ssh_server: Sshd, rounds: list[Asked]) -> None:
    delivered: list[tuple[Fact, int]] = []
    facts = [ProcessLimits("sshd"), FileStat("/etc/passwd")]
    with target_at(ssh_server) as target:
        target.read(facts, lambda fact, reading, seconds: delivered.append((fact, len(rounds))))
    assert delivered == [(facts[1], 1), (facts[0], 2)]


def test_many_paths_are_read_in_sections_of_some(ssh_server: Sshd, rounds: list[Asked]) -> None:
    """More than a shell likes to have as arguments at once, and some of them are there."""
    facts = [FileStat(f"/no/such/{at}") for at in range(600)] + [FileStat("/etc/passwd")]
    facts += [FileMatch(f"/proc/{at}/nowhere", "x") for at in range(600)]
    readings = read_at(ssh_server, facts)
    assert [reading.value.exists for reading in readings.values() if isinstance(reading, Known)].count(
        True
    ) == 1
    assert {cause(reading) for reading in readings.values() if isinstance(reading, Unavailable)} == {"absent"}
    assert len(rounds) == 1


def test_a_target_without_facts_is_not_even_connected_to(ssh_server: Sshd, somebody: Account) -> None:
    before = ssh_server.log()
    assert read_at(ssh_server, [], somebody.name) == {}
    assert ssh_server.log() == before


def test_the_shell_takes_any_number_of_rounds(ssh_server: Sshd, somebody: Account) -> None:
    sessions = Sessions(ssh_server, somebody)
    with target_at(ssh_server, somebody.name) as target:
        for at in range(20):
            command = Command(("echo", str(at)))
            assert value(read(target, [command])[command]).out == f"{at}\n".encode()
    assert sessions.count == 1


def test_the_script_does_not_count_itself(ssh_server: Sshd, somebody: Account, rounds: list[Asked]) -> None:
    """Its shell, its watchdogs and its tools would be there on every machine, at every run."""
    read_at(ssh_server, [Processes("sshd")], somebody.name)
    table = rounds[0].done.told.answers[ListProcesses()]
    assert {process.name for process in table.processes if process.uid == somebody.uid} == {"sshd"}
