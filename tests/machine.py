"""What the console tests run: facts that behave badly on purpose, a profile of them, and the real program."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from checks import registry
from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask
from checks.model import Severity, Target, Verdict
from checks.plan import Plan, make_plan
from checks.profile import load_profile
from checks.verdicts import passed

ROOT = Path(__file__).parents[1]


@fact
class Behaviour(Fact, frozen=True):
    """Gives its name, after `seconds`, or raises what its name says."""

    name: str
    seconds: str = ""

    value_type: ClassVar[Any] = str
    deadline_s: ClassVar[float] = 0.25
    reads: ClassVar[list[str]] = []

    def describe(self) -> str:
        return f"behave as {self.name}"

    def asks(self) -> tuple[Ask, ...]:
        return ()

    def read(self, host: object) -> str:
        self.reads.append(self.name)
        if self.seconds:
            time.sleep(float(self.seconds))
        raising: dict[str, Exception] = {
            "denied": PermissionError(13, "Permission denied", "/etc/shadow"),
            "absent": FileNotFoundError(2, "No such file or directory", "/nowhere"),
            "late": TimeoutError("slow"),
            "worn": OSError(5, "Input/output error", "/dev/sdb"),
            "told": NotReadable("port 1 is closed", "refused"),
            "broken": ZeroDivisionError("division by zero"),
        }
        if self.name in raising:
            raise raising[self.name]
        if self.name == "stop":
            import _thread

            _thread.interrupt_main()
        return self.name


@registry.check(
    "test.behaviour",
    severity=Severity.P2,
    about="name",
    owner="vendor",
    reading=Behaviour("{name}", "{seconds}"),
)
def behaves(reading: str, name: str, seconds: str = "") -> Verdict:
    """It behaves.

    Remedy: behave.
    Source: our judgement.
    """
    return passed("behaved as {name}")


def plan_of(folder: Path, names: Iterable[str], target: str = "here") -> Plan:
    """A plan that reads these behaviours; ``name:seconds`` takes that long."""
    lines = ["profile: behaviours", "version: 1", "title: Behaviours", "items:"]
    for number, each in enumerate(names):
        name, _, seconds = each.partition(":")
        lines.append(
            f"  - {{id: b{number}, check: test.behaviour, with: {{name: {name}, seconds: '{seconds}'}}}}"
        )
    path = folder / "behaviours.yaml"
    path.write_text("\n".join(lines) + "\n")
    return make_plan(load_profile(str(path)), [Target(target)])


def firstlight(
    *args: str, state: Path, env: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """The real program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "agent", *args],
        cwd=options.pop("cwd", ROOT),
        env=environment(state) | (env or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def environment(state: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"FIRSTLIGHT_STATE": str(state), "PYTHONPATH": str(ROOT)}
