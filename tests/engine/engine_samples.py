"""Facts and checks that exist only for the engine's tests, and short ways to plan and evaluate them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from checks.errors import BadInput
from checks.evaluate import Evaluation, evaluate
from checks.fact import Fact, Known, Reading, Unavailable, fact
from checks.facts.asks import Ask
from checks.matchers import Matcher
from checks.model import Result, Severity, Target, Verdict
from checks.plan import Plan, make_plan
from checks.profile import Profile, load_profile
from checks.registry import check, unless, when
from checks.snapshot import Readings, Snapshot
from checks.units import Percent, Size, Span
from checks.verdicts import error, fail, grade, msg, passed, warn

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Level(msgspec.Struct, frozen=True):
    total: int
    free: int


@fact
class SampleLevel(Fact, frozen=True):
    tank: str
    value_type = Level

    def __post_init__(self) -> None:
        if self.tank.endswith("!"):
            raise BadInput(f"{self.tank!r} is no tank; write its name")

    def describe(self) -> str:
        return f"look into {self.tank}"

    def asks(self) -> tuple[Ask, ...]:
        return ()


@fact
class SampleTanks(Fact, frozen=True):
    value_type = list[str]

    def describe(self) -> str:
        return "list the tanks"

    def asks(self) -> tuple[Ask, ...]:
        return ()


@fact
class SampleText(Fact, frozen=True):
    name: str
    value_type = str

    def describe(self) -> str:
        return f"read {self.name}"

    def asks(self) -> tuple[Ask, ...]:
        return ()


@fact
class SamplePort(Fact, frozen=True):
    port: int
    value_type = bool

    def describe(self) -> str:
        return f"connect to {self.port}"

    def asks(self) -> tuple[Ask, ...]:
        return ()


@check(
    "sample.tank",
    severity=Severity.P1,
    about="tank",
    owner="vendor",
    each=("tank", SampleTanks()),
    level=SampleLevel("{tank}"),
)
def full_tank(level: Level, tank: str = "", warn_below: Percent = 15, fail_below: Percent = 5) -> Verdict:
    """A tank is not empty.

    Explained at length.

    Remedy: fill it with `pump {tank}` up to
    {warn_below}.

    - or take another
    Source: a book.
    """
    free = 100 * level.free / level.total
    return grade(free, low=(warn_below, fail_below), say=msg("{free} % in {tank}", free=free))


@check("sample.text", severity=Severity.P2, about="name", owner="dba", text=SampleText("{name}"))
def fitting_text(text: str, name: str, expect: Matcher | None = None, size: Size = 0) -> Verdict:
    """A text fits.

    Remedy: write it.
    Source: none.
    """
    if text == "crash":
        raise KeyError("missing")
    if text == "nonsense":
        return text  # type: ignore[return-value]  # what a careless author might do
    return (
        passed("fits") if expect is None or expect.holds(text) else fail(msg("not {expect}"), cause="differs")
    )


@check("sample.many", severity=Severity.P2, about="system", owner="vendor", text=SampleText("many"))
def several_words(text: str) -> list[Verdict]:
    """Every word is good."""
    return [
        passed("good", object=word) if word != "bad" else fail("bad", object=word, cause="bad")
        for word in text.split()
    ]


@check("sample.some", severity=Severity.P2, about="system", owner="vendor", text=SampleText("some"))
def some_words(text: str | Unavailable) -> list[Verdict]:
    """Every word is good, as far as they are known."""
    return [
        passed("good", object=word) for word in ("known" if isinstance(text, Unavailable) else text).split()
    ]


@check("sample.doubled", severity=Severity.P2, about="system", owner="vendor", text=SampleText("doubled"))
def doubled(text: str) -> list[Verdict]:
    """One object may be named twice."""
    say = {"pass": passed, "warn": warn, "fail": fail, "error": error}
    return [say[word](word, object="same") for word in text.split()]


@check("sample.tolerant", severity=Severity.P2, about="name", owner="vendor", text=SampleText("{name}"))
def tolerant(text: str | Unavailable, now: datetime, name: str = "t") -> Verdict:
    """Absence is an answer too."""
    if isinstance(text, Unavailable):
        return fail("it is gone", cause=text.cause)
    return passed(msg("read at {now}", now=now.isoformat()))


@check(
    "sample.either",
    severity=Severity.P3,
    about="name",
    owner="network",
    text=unless("port", SampleText("{name}")),
    link=when("port", SamplePort("{port}")),
)
def either(text: str | None, link: bool | None, name: str = "t", port: int = 0, wait: Span = 5) -> Verdict:
    """A text, or a port instead."""
    return passed(msg("{text} {link}", text=text, link=link), evidence={"wait": wait})


@check("net.sample", severity=Severity.P2, about="name", owner="network", text=SampleText("{name}"))
def seen_from(text: str, name: str = "far") -> Verdict:
    """Something far away answers."""
    return passed(text)


def _agree(versions: Mapping[str, str | Unavailable]) -> Verdict:
    known = {value for value in versions.values() if not isinstance(value, Unavailable)}
    if len(known) > 1:
        return fail(msg("{count} different", count=len(known)), cause="differs")
    unread = [value.reason for value in versions.values() if isinstance(value, Unavailable)]
    if unread:
        return error(msg("not all could be read: {why}", why="; ".join(unread)), cause="partly")
    return passed("all the same")


@check(
    "sample.role_agrees",
    severity=Severity.P1,
    about="name",
    owner="vendor",
    across="role",
    versions=SampleText("{name}"),
)
def role_agrees(versions: Mapping[str, str | Unavailable], name: str = "version") -> Verdict:
    """All of a role have the same text."""
    return _agree(versions)


@check(
    "sample.site_agrees",
    severity=Severity.P1,
    about="name",
    owner="vendor",
    across="site",
    versions=SampleText("{name}"),
)
def site_agrees(versions: Mapping[str, str | Unavailable], name: str = "version") -> Verdict:
    """All of a site have the same text."""
    return _agree(versions)


def profile_of(folder: Path, text: str, name: str = "mine.yaml", **options: Any) -> Profile:
    """A profile with that text after its head."""
    file = folder / name
    file.write_text(f"profile: {file.stem}\nversion: '1'\n{text}", encoding="utf-8")
    return load_profile(str(file), **options)


def plan_of(folder: Path, items: str, targets: Sequence[str] = ("local",), **options: Any) -> Plan:
    return make_plan(profile_of(folder, f"items:\n{items}"), [Target(name) for name in targets], **options)


def snapshot_of(**targets: Mapping[str, Any]) -> Snapshot:
    """A snapshot of plain values and `Unavailable`s by target and fact id."""
    return Snapshot(
        NOW,
        tuple(
            Readings(Target(name), {id: _reading(value) for id, value in values.items()}, NOW)
            for name, values in targets.items()
        ),
    )


def _reading(value: Any) -> Reading:
    return value if isinstance(value, Reading) else Known(value)


def judge(plan: Plan, **targets: Mapping[str, Any]) -> Evaluation:
    return evaluate(plan, snapshot_of(**targets), salt="site")


def only(evaluation: Evaluation) -> Result:
    (result,) = evaluation.results
    return result
