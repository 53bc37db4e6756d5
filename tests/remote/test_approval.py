"""A run held to an approved plan: that plan and no other, the difference in words, and no read beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from ssh_site import Answer, SiteFolder, visits
from sshd import Sshd

from agent.approval import SHOWN
from agent.collect import collect
from agent.reading import reading_of
from checks import registry
from checks.evaluate import evaluate, next_facts
from checks.fact import Fact, Known, NotReadable, Unavailable, fact
from checks.facts.asks import Ask, ReadFile, RunCommand, covered, is_template
from checks.facts.localhost import LocalHost
from checks.facts.permitted import Permitted
from checks.model import Severity, Target, Verdict
from checks.plan import Plan, make_plan
from checks.profile import load_profile
from checks.verdicts import passed

HOSTILE = ("good", "../../etc/shadow", "a\nb", "", "<each name>", "$(reboot)", "x" * 5000, "caf\udce9", " ")


@fact
class PluginNames(Fact, frozen=True):
    """What a service says that there is, which nobody can vouch for."""

    value_type: ClassVar[Any] = list[str]
    names: ClassVar[tuple[str, ...]] = HOSTILE

    def describe(self) -> str:
        return "ask for the names of plugins"

    def asks(self) -> tuple[Ask, ...]:
        return ()

    def read(self, host: object) -> list[str]:
        return list(self.names)


@fact
class PluginSettings(Fact, frozen=True):
    """The settings of one plugin; it would read another file if it were let."""

    value_type: ClassVar[Any] = str
    name: str
    other: str = ""

    def describe(self) -> str:
        return f"read /etc/plugins/{self.name}.conf"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(f"/etc/plugins/{self.name}.conf"),)

    def read(self, host: Any) -> str:
        return str(host.read_text(self.other or f"/etc/plugins/{self.name}.conf"))


@registry.check(
    "test.plugins",
    severity=Severity.P2,
    about="name",
    owner="vendor",
    each=("name", PluginNames()),
    settings=PluginSettings("{name}"),
)
def plugins(settings: str, name: str = "") -> Verdict:
    """A plugin has settings.

    Remedy: give it some.
    Source: our judgement.
    """
    return passed("it has")


@pytest.fixture
def site(visit: SiteFolder, ssh_server: Sshd) -> SiteFolder:
    visit.write_config(ssh_server)
    visit.write_site("a: {address: 127.0.0.1}\nb: {address: 127.0.0.1}")
    return visit


@pytest.fixture
def run(site: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The program on the site: `plan` gives the digest, `check` what holding to one gives."""

    class Program:
        def plan(self) -> str:
            return site.run_here(monkeypatch, "plan", *site.usual()).out.split()[-1]

        def check(self, approved: str, *options: str) -> Answer:
            return site.check_here(monkeypatch, "--approved", approved, *options)

    yield Program()


def refused(answer: Answer) -> str:
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1), answer
    return answer.err


# --- the digest


def test_the_plan_that_was_approved_is_run(run: Any) -> None:
    digest = run.plan()
    assert run.check(digest).code == 0
    assert run.check(digest, "--target", "a", "--only", "passwd").code == 0  # less of it is of it


@pytest.mark.parametrize(
    "wrong", ["", "0f3a", "latest", "F" * 64, "0" * 65, "0" * 63, "../../etc/passwd", "*" * 64]
)
def test_what_is_no_digest_is_refused(run: Any, wrong: str) -> None:
    run.plan()
    assert "not a digest; firstlight plan prints it as its last word, and all its 64 digits" in refused(
        run.check(wrong)
    )


def test_a_digest_that_nobody_printed_here(run: Any, ssh_server: Sshd) -> None:
    digest, before = run.plan(), visits(ssh_server)
    said = refused(run.check("0" * 64))
    assert "--approved 000000000000…: the plan is " + digest in said
    assert "not printed on this machine, so the difference cannot be shown" in said
    assert visits(ssh_server) == before


DIFFERENCES = yaml.safe_load(Path(__file__).with_name("plan_differences.yaml").read_text())


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_plan_that_differs_is_refused_with_the_difference(
    run: Any, site: SiteFolder, ssh_server: Sshd, name: str
) -> None:
    case = DIFFERENCES[name]
    approved, text = run.plan(), (site.folder / case["file"]).read_text()
    assert case["was"] in text
    site.write(case["file"], text.replace(case["was"], case["now"]))
    before = visits(ssh_server)
    error = refused(run.check(approved))
    assert f"--approved {approved[:12]}…: the plan differs now: " in error
    for each in case["says"]:
        assert each in error
    now_digest = run.plan()
    assert error.endswith(f"look with firstlight plan, then approve {now_digest}\n")
    assert visits(ssh_server) == before


def test_a_plan_whose_items_stand_in_another_order_is_the_same(run: Any, site: SiteFolder) -> None:
    approved, text = run.plan(), (site.folder / "visit.yaml").read_text()
    lines = text.splitlines()
    site.write("visit.yaml", "\n".join([*lines[:4], lines[5], lines[4]]) + "\n")
    assert run.check(approved).code == 0


def test_a_difference_that_is_not_shown_is_told_as_that(run: Any, site: SiteFolder) -> None:
    """Another version of the program may ask for the same thing with another timeout."""
    kept = site.state / "plans" / f"{run.plan()}.json"
    kept.rename(kept.with_name(f"{'ab' * 32}.json"))
    assert "differs now: what some facts ask, in details that are not shown; look" in refused(
        run.check("ab" * 32)
    )


def test_many_differences_are_counted(run: Any, site: SiteFolder) -> None:
    approved = run.plan()
    site.write_site("\n".join(f"t{at}: {{address: 127.0.0.1}}" for at in range(30)))
    error = refused(run.check(approved))
    assert error.count(";") == SHOWN + 1
    assert "; and " in error


def test_a_kept_plan_that_is_damaged_is_as_one_that_is_not_there(run: Any, site: SiteFolder) -> None:
    approved = run.plan()
    (site.state / "plans" / f"{approved}.json").write_text("{}")
    site.write_site("a: {address: 127.0.0.2}")
    assert "the difference cannot be shown" in refused(run.check(approved))


# --- the reads


@pytest.fixture
def plugin_plan(site: SiteFolder) -> Plan:
    path = site.write(
        "plugins.yaml",
        "profile: plugins\nversion: '1'\ntitle: Plugins\nitems:\n  - {check: test.plugins}\n",
    )
    return make_plan(load_profile(str(path)), [Target("here")])


def test_the_plan_has_a_template_for_what_is_not_known_yet(plugin_plan: Plan) -> None:
    reads = [ask.describe() for ask in plugin_plan.asks("here")]
    assert reads == ["read /etc/plugins/<each name>.conf"]


def test_hostile_names_are_read_through_the_template_or_not_at_all(plugin_plan: Plan) -> None:
    """A name decides which instance of the one fact is read, never what else is."""
    facts = next_facts(plugin_plan, "here", {PluginNames().id(): Known(list(HOSTILE))})
    assert {type(each) for each in facts} == {PluginSettings}
    for each in facts:
        permitted = plugin_plan.permits("here", each)
        assert permitted is (each.name != "")  # type: ignore[attr-defined]
        if permitted:
            assert each.asks() == (ReadFile(f"/etc/plugins/{each.name}.conf"),)  # type: ignore[attr-defined]


def test_what_fits_no_template_is_not_approved(plugin_plan: Plan) -> None:
    for beside in (
        PluginSettings("good", other="/etc/shadow"),
        PluginNames(),
        PluginSettings(""),
    ):
        assert plugin_plan.permits("here", beside) is isinstance(beside, PluginNames)
    assert not plugin_plan.permits("elsewhere", PluginSettings("good"))


def test_a_fact_that_reads_beside_its_asks_is_refused() -> None:
    greedy = PluginSettings("good", other="/etc/shadow")
    reading = reading_of(greedy, Permitted(LocalHost(), greedy))
    assert reading == Unavailable("not in the approved plan: read /etc/shadow", "not-approved")
    with pytest.raises(NotReadable, match="not in the approved plan: read /etc/passwd"):
        Permitted(LocalHost(), greedy).read_text("/etc/passwd")


def test_a_run_reads_the_template_and_says_of_the_rest_that_it_was_not_approved(plugin_plan: Plan) -> None:
    snapshot = collect(plugin_plan, {"here": LocalHost()})
    (readings,) = snapshot.targets
    by_name = {name: reading for name, reading in readings.values.items() if "PluginSettings" in name}
    assert len(by_name) == len(HOSTILE)
    empty = by_name[PluginSettings("").id()]
    assert empty == Unavailable("not in the approved plan: read /etc/plugins/.conf", "not-approved")
    causes = {reading.cause for reading in by_name.values() if isinstance(reading, Unavailable)}
    assert causes <= {"absent", "not-approved", "failed", "unsupported"}
    results = evaluate(plugin_plan, snapshot, salt="s").results
    assert {each.status.value for each in results} == {"error"}
    assert "not-approved" in {each.cause for each in results}


FIND = RunCommand(("find", "<application folder>", "-xdev"))
LIMITS = RunCommand(("cat", "/proc/<pid of nginx>/limits"))
SHELL = RunCommand(("sh", "-c", "sleep 1 </dev/null >/dev/null"))


def test_the_words_of_a_command_may_have_gaps_and_a_shells_text_has_none() -> None:
    assert [is_template(ask) for ask in (FIND, LIMITS, SHELL)] == [True, True, False]
    assert covered(RunCommand(("find", "/opt/erp", "-xdev")), [FIND])
    assert covered(RunCommand(("cat", "/proc/12/limits")), [LIMITS])
    assert covered(SHELL, [SHELL])


@pytest.mark.parametrize(
    ("argv", "template"),
    [
        (("find", "/opt/erp", "-delete"), FIND),
        (("find", "/opt/erp", "-xdev", "-delete"), FIND),
        (("cat", "/proc/self/limits"), LIMITS),
        (("cat", "/proc/1/../../etc/shadow/limits"), LIMITS),
        (("sh", "-c", "sleep 1 rm -rf / >/dev/null"), SHELL),
    ],
)
def test_no_command_slips_through_a_gap(argv: tuple[str, ...], template: RunCommand) -> None:
    assert not covered(RunCommand(argv), [template])
