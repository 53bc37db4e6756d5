"""The shipped profiles as tests use them: a site file with a target for each role, and items really run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from checks.evaluate import evaluate, next_facts
from checks.fact import Known, NotReadable, Reading, Unavailable
from checks.facts.localhost import LocalHost
from checks.model import Result, Target
from checks.plan import make_plan
from checks.profile import load_profile
from checks.profile_source import profile_names
from checks.snapshot import Readings, Snapshot

INDUSTRIES: Final = ("manufacturing", "trade", "finance", "healthcare")
ROLES: Final = (
    "app-server-jvm", "db-postgresql", "db-mysql", "cache-redis", "queue-rabbitmq", "web-nginx", "odoo",
    "erpnext",
)  # fmt: skip
ALONE: Final = tuple(name for name in profile_names() if name not in (*INDUSTRIES, "delivery"))
"""The profiles that need no site file."""


def extending(folder: Path, *bases: str, variables: Mapping[str, Any] | None = None) -> str:
    """The path of a profile that extends others and replaces variables."""
    import yaml

    document = {"profile": "mine", "extends": list(bases), "variables": dict(variables or {})}
    path = folder / f"{'-'.join(bases)}.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(path)


def run(profile: str, only: Sequence[str]) -> list[Result]:
    """The results of some items on this machine, read one fact after the other."""
    plan = make_plan(load_profile(profile), [Target("local")], only=only)
    host, values = LocalHost(), dict[str, Reading]()
    wanted = plan.facts("local")
    while wanted:
        for fact in wanted:
            try:
                values[fact.id()] = Known(fact.read(host))
            except NotReadable as problem:
                values[fact.id()] = Unavailable(problem.reason, problem.cause)
        wanted = next_facts(plan, "local", values)
    now = datetime.now(UTC)
    snapshot = Snapshot(now, (Readings(Target("local"), values, now),))
    return list(evaluate(plan, snapshot, salt="site").results)


def told(results: Sequence[Result]) -> dict[str, str]:
    """How each came out, by item, and by object where an item has several."""
    often = [result.item for result in results]
    return {
        f"{each.item} {each.object}" if often.count(each.item) > 1 else each.item: str(each.status)
        for each in results
    }
