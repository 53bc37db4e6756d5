"""What a bundle would read, in words: the plan of its profile, and the logs."""

from __future__ import annotations

from agent.bundle.logs import wanted
from checks.plan import Plan


def plan_lines(plan: Plan) -> list[str]:
    """Every file, command and destination, target by target."""
    lines = [f"profile {plan.profile.id} {plan.profile.version}, plan {plan.digest}"]
    logs = wanted(plan)
    for target in plan.targets:
        route = plan.routes.get(target.name)
        lines += ["", f"{target.name}{f'  ({route})' if route else ''}"]
        lines += [f"  {ask.describe()}" for ask in plan.asks(target.name)]
        for entry in logs.get(target.name, ()):
            size = f"at most {entry.lines} lines, {entry.size // 1024} KiB"
            lines.append(f"  log  {entry.named}: {entry.fact().describe()} ({size})")
    return lines
