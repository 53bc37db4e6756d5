"""The reference fold says of hand-written histories what the semantics say of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from history_words import (
    AcceptedPlan,
    Assignment,
    Binding,
    Episode,
    Finding,
    Handover,
    ItemReport,
    Line,
    Past,
    Run,
    Seen,
    Target,
    World,
)
from reference import history

START = datetime(2024, 1, 1, tzinfo=UTC)
DB = Target("north", "db1")
DATA = Finding(DB, "disk.free", "/data")
HOLDER = Assignment("p", "ada", "lead", Fraction(1), START)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def plan(number: float = 0, **lines: Line) -> AcceptedPlan:
    return AcceptedPlan(day(number), {name.replace("_", "."): line for name, line in lines.items()})


def world(
    *plans: AcceptedPlan,
    project: str | None = "p",
    until: float | None = None,
    assignments: tuple[Assignment, ...] = (HOLDER,),
    handovers: tuple[Handover, ...] = (),
) -> World:
    end = None if until is None else day(until)
    agreed = plans or (plan(disk_free=Line("r1")),)
    return World((Binding(DB, "base", project, START, end, agreed),), assignments, handovers)


def run(
    number: float,
    status: str | Mapping[str, str] | None,
    *,
    rule: str = "r1",
    severity: str = "P2",
    cause: str = "",
    complete: bool = True,
    tie: int = 0,
    from_snapshot: bool = False,
) -> Run:
    """A run on that day: the status of /data, or of several objects; None = out of scope."""
    reports: dict[str, ItemReport] = {}
    if status is not None:
        objects = {"/data": status} if isinstance(status, str) else status
        seen = {name: Seen(each, severity, cause) for name, each in objects.items()}
        reports["disk.free"] = ItemReport(rule, seen, complete)
    return Run(f"{number:09.3f}-{tie}", day(number), "north", "base", {DB: reports}, from_snapshot)


def past(world: World, *runs: Run) -> Past:
    return history(world, runs)[DATA]


def only_episode(world: World, *runs: Run) -> Episode:
    (episode,) = past(world, *runs).episodes
    return episode


def statuses(past: Past) -> list[tuple[datetime, str]]:
    return [(change.at, change.status) for change in past.changes]


# --- results and changes ---


def test_a_failing_finding_opens_at_the_first_fail_and_closes_at_the_next_pass() -> None:
    found = past(world(), run(1, "pass"), run(2, "fail"), run(3, "fail"), run(4, "pass"), run(5, "pass"))
    assert statuses(found) == [(day(1), "pass"), (day(2), "fail"), (day(4), "pass")]
    (episode,) = found.episodes
    assert (episode.opened_at, episode.closed_at, episode.state) == (day(2), day(4), "closed")
    assert episode.close_kind == "verified" and not episode.rule_changed and episode.lapsed_at is None


def test_order_and_repetition_of_arrival_do_not_matter() -> None:
    runs = [run(1, "pass"), run(2, "fail"), run(3, "pass"), run(3, "fail", tie=1)]
    assert history(world(), [runs[3], runs[0], runs[2], runs[3], runs[1]]) == history(world(), runs)


def test_at_one_instant_the_run_id_decides() -> None:
    first, second = past(world(), run(1, "fail", tie=2), run(1, "pass", tie=1), run(2, "pass")).changes[:2]
    assert (first.status, second.status) == ("pass", "fail")


def test_errors_manual_results_and_silence_leave_an_episode_as_it_is() -> None:
    found = past(
        world(), run(1, "fail"), run(2, "error"), run(3, "manual"), run(4, None), run(5, {}, complete=False)
    )
    assert [change.status for change in found.changes] == ["fail", "error", "manual"]
    assert found.episodes[0].state == "open"


def test_a_change_of_cause_severity_or_rule_is_a_change_of_the_entry() -> None:
    agreed = world(plan(disk_free=Line("r1")), plan(4, disk_free=Line("r2")))
    runs = [run(1, "fail"), run(2, "fail", cause="full"), run(3, "fail", cause="full", severity="P1")]
    found = past(agreed, *runs, run(4, "fail", cause="full", severity="P1", rule="r2"))
    assert len(found.changes) == 4 and len(found.episodes) == 1


def test_an_entry_has_the_worse_of_the_reported_and_the_accepted_severity() -> None:
    agreed = world(plan(disk_free=Line("r1", severity="P1")), plan(3, disk_free=Line("r1", severity="P2")))
    runs = [run(1, "pass"), run(2, "pass", severity="P0"), run(3, "pass")]
    assert [change.severity for change in past(agreed, *runs).changes] == ["P1", "P0", "P2"]


def test_a_result_under_a_rule_nobody_accepted_counts_for_nothing() -> None:
    assert history(world(), [run(1, "fail", rule="loose")]) == {}
    found = past(world(), run(1, "fail"), run(2, "pass", rule="loose"), run(3, {}, rule="loose"))
    assert statuses(found) == [(day(1), "fail")] and found.episodes[0].state == "open"


def test_an_evaluation_of_saved_readings_counts_for_nothing() -> None:
    assert past(world(), run(1, "fail"), run(2, "pass", from_snapshot=True)).episodes[0].state == "open"


def test_a_plan_counts_from_the_moment_it_is_valid() -> None:
    agreed = world(plan(1, disk_free=Line("r1")), plan(3, disk_free=Line("r2")))
    assert statuses(past(agreed, run(0.9, "fail"), run(1, "fail"))) == [(day(1), "fail")]
    assert statuses(past(agreed, run(2.9, "fail"), run(3, "pass"))) == [(day(2.9), "fail")]
    assert statuses(past(agreed, run(3, "pass", rule="r2"))) == [(day(3), "pass")]


def test_a_binding_counts_up_to_but_without_its_end() -> None:
    found = past(world(until=2), run(1, "pass"), run(2, "fail"))
    assert statuses(found) == [(day(1), "pass")] and found.episodes == ()


def test_a_warning_opens_only_where_the_accepted_line_says_so() -> None:
    assert past(world(), run(1, "warn")).episodes == ()
    assert only_episode(world(plan(disk_free=Line("r1", opens_on="warn"))), run(1, "warn")).state == "open"


def test_a_warning_keeps_an_open_episode_open() -> None:
    assert only_episode(world(), run(1, "fail"), run(2, "warn")).state == "open"


# --- lapse ---


def test_a_skip_lapses_and_the_next_fail_continues_the_same_episode() -> None:
    lapsed = only_episode(world(), run(1, "fail"), run(2, "skip"), run(3, "skip"))
    assert (lapsed.state, lapsed.lapsed_at) == ("lapsed", day(2))
    again = only_episode(world(), run(1, "fail"), run(2, "skip"), run(3, "fail"))
    assert (again.state, again.lapsed_at, again.opened_at) == ("open", None, day(1))


def test_the_next_pass_closes_a_lapsed_episode() -> None:
    closed = only_episode(world(), run(1, "fail"), run(2, "skip"), run(3, "warn"), run(4, "pass"))
    assert (closed.state, closed.lapsed_at, closed.closed_at) == ("closed", None, day(4))


def test_a_warning_that_does_not_open_leaves_a_lapsed_episode_lapsed() -> None:
    episode = only_episode(world(), run(1, "fail"), run(2, "skip"), run(3, "warn"))
    assert (episode.state, episode.lapsed_at) == ("lapsed", day(2))


def test_a_warning_that_keeps_nothing_open_says_nothing_of_severity_or_rule() -> None:
    agreed = world(plan(disk_free=Line("r1")), plan(1.5, disk_free=Line("r2")))
    runs = [
        run(1, "fail"),
        run(1.2, "skip"),
        run(1.6, "warn", rule="r2", severity="P0"),
        run(3, "pass", rule="r2"),
    ]
    closed = only_episode(agreed, *runs)
    assert (closed.severity, closed.close_kind) == ("P2", "rule-changed")


def test_an_object_missing_from_a_complete_report_is_gone_and_lapses() -> None:
    found = past(world(), run(1, "fail"), run(2, {"/var": "pass"}), run(3, {}))
    assert [(change.status, change.rule) for change in found.changes] == [("fail", "r1"), ("gone", "")]
    assert (found.episodes[0].state, found.episodes[0].lapsed_at) == ("lapsed", day(2))


def test_an_object_that_was_never_seen_is_never_gone() -> None:
    assert statuses(past(world(), run(1, {"/var": "pass"}), run(2, "pass"))) == [(day(2), "pass")]


def test_an_item_dropped_from_the_plan_lapses_when_the_plan_becomes_valid() -> None:
    agreed = world(plan(disk_free=Line("r1")), plan(3), plan(5, disk_free=Line("r1")))
    lapsed = only_episode(agreed, run(1, "fail"))
    assert (lapsed.state, lapsed.lapsed_at) == ("lapsed", day(3))
    found = past(agreed, run(1, "fail"), run(4, "pass"), run(6, "fail"))
    assert statuses(found) == [(day(1), "fail")], "it came back as it had left, which is no change"
    assert (found.episodes[0].state, found.episodes[0].lapsed_at) == ("open", None)


def test_an_item_that_another_profile_still_holds_does_not_lapse() -> None:
    first = Binding(DB, "base", "p", START, day(3), (plan(disk_free=Line("r1")),))
    second = Binding(DB, "extra", "p", START, None, (plan(disk_free=Line("r2")),))
    assert only_episode(World((first, second)), run(1, "fail")).state == "open"
    assert only_episode(World((first,)), run(1, "fail")).lapsed_at == day(3)


# --- rules, severity, recurrence ---


def test_a_rule_that_changed_since_the_last_pass_marks_the_opening() -> None:
    agreed = world(plan(disk_free=Line("r1")), plan(2, disk_free=Line("r2")))
    assert only_episode(agreed, run(1, "pass"), run(2, "fail", rule="r2")).rule_changed
    assert not only_episode(agreed, run(2, "fail", rule="r2")).rule_changed


def test_a_pass_under_another_rule_than_the_last_fail_is_no_verified_close() -> None:
    agreed = world(plan(disk_free=Line("r1")), plan(2, disk_free=Line("r2")))
    assert only_episode(agreed, run(1, "fail"), run(2, "pass", rule="r2")).close_kind == "rule-changed"
    seen_failing = [run(1, "fail"), run(2, "fail", rule="r2"), run(3, "pass", rule="r2")]
    assert only_episode(agreed, *seen_failing).close_kind == "verified"


def test_severity_is_the_worst_of_the_first_day_reported_or_accepted() -> None:
    agreed = world(plan(disk_free=Line("r1", severity="P3")), plan(2.5, disk_free=Line("r1", severity="P0")))
    assert only_episode(agreed, run(1, "fail", severity="P2")).severity == "P2"
    assert only_episode(agreed, run(1, "fail"), run(2, "warn", severity="P1")).severity == "P1"
    assert only_episode(agreed, run(1, "fail"), run(2.001, "fail", severity="P1")).severity == "P2"
    assert only_episode(agreed, run(1, "fail"), run(3, "fail")).severity == "P2"
    assert only_episode(agreed, run(2, "fail"), run(2.5, "fail")).severity == "P0"
    assert (
        only_episode(agreed, run(2.5, "pass", severity="P0"), run(1, "fail", severity="P3")).severity == "P3"
    )


def test_an_episode_within_90_days_of_the_last_close_recurred() -> None:
    runs = [run(1, "fail"), run(2, "pass")]
    assert [e.recurred for e in past(world(), *runs, run(92, "fail")).episodes] == [False, True]
    assert [e.recurred for e in past(world(), *runs, run(92.001, "fail")).episodes] == [False, False]


# --- who ---


def charged(episode: Episode) -> tuple[dict[str, float], str]:
    return dict(episode.shares), episode.reason


def test_the_holder_is_charged_when_it_passed_under_the_same_rule_since_he_began() -> None:
    assert charged(only_episode(world(), run(1, "pass"), run(2, "fail"))) == ({"ada": 1.0}, "")


def test_nobody_is_charged_for_what_was_never_seen_well() -> None:
    assert charged(only_episode(world(), run(2, "fail"))) == ({}, "first-seen")
    assert charged(only_episode(world(), run(1, "error"), run(2, "fail"))) == ({}, "first-seen")
    assert charged(only_episode(world(), run(1, "pass"), run(2, "warn"), run(3, "fail"))) == (
        {},
        "warned-before",
    )
    agreed = world(plan(disk_free=Line("r1")), plan(2, disk_free=Line("r2")))
    assert charged(only_episode(agreed, run(1, "pass"), run(2, "fail", rule="r2"))) == ({}, "rule-changed")
    late = world(assignments=(Assignment("p", "ada", "lead", Fraction(1), day(1.5)),))
    assert charged(only_episode(late, run(1, "pass"), run(2, "fail"))) == ({}, "not-seen-since-handover")


def test_outside_every_project_it_is_the_site_and_without_a_holder_it_is_nobody() -> None:
    runs = [run(1, "pass"), run(2, "fail")]
    assert charged(only_episode(world(project=None), *runs)) == ({}, "site")
    ended = Assignment("p", "ada", "lead", Fraction(1), START, day(2))
    assert charged(only_episode(world(assignments=(ended,)), *runs)) == ({}, "no-holder")


def test_shares_below_one_leave_the_rest_to_nobody_and_two_roles_add_up() -> None:
    lead = Assignment("p", "ada", "lead", Fraction(1, 2), START)
    dba = Assignment("p", "ada", "dba", Fraction(3, 10), START)
    bob = Assignment("p", "bob", "network", Fraction(2, 10), START)
    runs = [run(1, "pass"), run(2, "fail")]
    assert charged(only_episode(world(assignments=(lead, dba)), *runs)) == ({"ada": 0.8}, "no-holder")
    assert charged(only_episode(world(assignments=(lead, dba, bob)), *runs)) == ({"ada": 0.8, "bob": 0.2}, "")


def test_what_fails_at_the_baseline_stays_with_the_predecessor() -> None:
    runs = [run(1, "pass"), run(2, "fail"), run(3, "fail")]
    taken = Handover("p", "lead", "old", "ada", runs[2].id, runs[2].at)
    assert charged(only_episode(world(handovers=(taken,)), *runs)) == ({"old": 1.0}, "")
    orphan = Handover("p", "lead", None, "ada", runs[2].id, runs[2].at)
    assert charged(only_episode(world(handovers=(orphan,)), *runs)) == ({}, "first-seen")


def test_what_was_over_before_the_baseline_is_nobodys() -> None:
    runs = [run(1, "pass"), run(2, "fail"), run(3, "pass"), run(4, "fail")]
    taken = Handover("p", "lead", "old", "ada", runs[2].id, runs[2].at)
    before, after = past(world(handovers=(taken,)), *runs).episodes
    assert charged(before) == ({}, "before-baseline")
    assert charged(after) == ({"ada": 1.0}, ""), "it passed at the baseline itself"


def test_a_later_baseline_counts_for_what_opens_after_it() -> None:
    runs = [run(1, "pass"), run(2, "error"), run(4, "fail")]
    first = Handover("p", "lead", "old", "ada", runs[0].id, runs[0].at)
    second = Handover("p", "lead", "old", "ada", runs[1].id, runs[1].at)
    assert charged(only_episode(world(handovers=(first,)), *runs)) == ({"ada": 1.0}, "")
    both = world(handovers=(first, second))
    assert charged(only_episode(both, *runs)) == ({}, "not-seen-since-handover")
