"""A machine that is enrolled with a collector whose signing key the test holds, and what that one signs."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.identity import Identity, fingerprint, install_id, new_key, save_identity
from agent.paths import State
from agent.planning import Planned, Wanted, plan_for
from agent.rules.approvals import approve
from agent.rules.intake import Taken, take
from checks.ids import new_run_id
from checks.plan import Plan
from checks.published import named_in
from checks.rules import PublishedProfile, Rules, ScheduleEntry, Waiver
from checks.signed import sign

SITE = "plant-a"
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def public(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def profile(text: str) -> PublishedProfile:
    return named_in(text, "a test's profile")


def waiver(item: str, *, target: str = "", object: str = "", expires: datetime | None = None) -> Waiver:
    until = expires or datetime.now(UTC) + timedelta(days=30)
    return Waiver(new_run_id(), item, target, object, "ticket 17", "Ann Li", until)


def acme(items: str, version: str = "1", extends: str = "", id: str = "acme") -> str:
    """The text of a profile with these items, a line each."""
    base = f"extends: {extends}\n" if extends else ""
    return f'profile: {id}\nversion: "{version}"\n{base}items:\n{items}'


HARMLESS = "- {id: passwd, check: file.stat, with: {path: /etc/passwd, type: file}}\n"


def leaves(trace: Path, id: str = "own", more: str = "") -> str:
    """An item whose reading leaves a trace: a file."""
    return f"- {{id: {id}, check: cmd.output, with: {{command: [touch, {more}{trace}]}}}}\n"


@dataclass
class Machine:
    """An enrolled machine. `published` signs with the collector's key and goes through the door."""

    state: State
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    version: int = 0

    @property
    def identity(self) -> Identity:
        from agent.identity import enrolled

        return enrolled(self.state)

    def rules(self, *texts: str, version: int | None = None, site: str = SITE, **more: Any) -> Rules:
        self.version = version if version is not None else self.version + 1
        return Rules(self.version, site, NOW, tuple(map(profile, texts)), **more)

    def file(self, rules: Rules | bytes, key: Ed25519PrivateKey | None = None) -> bytes:
        body = rules if isinstance(rules, bytes) else msgspec.json.encode(rules)
        return sign("rules", "epoch-1", body, key or self.key).to_bytes()

    def published(
        self,
        *texts: str,
        schedules: Sequence[ScheduleEntry] = (),
        waivers: Sequence[Waiver] = (),
        next_sign_key: str = "",
    ) -> Taken:
        more = {"schedules": tuple(schedules), "waivers": tuple(waivers), "next_sign_key": next_sign_key}
        return take(self.state, self.file(self.rules(*texts, **more)))

    def plan(self, name: str = "acme", **wanted: Any) -> Planned:
        """What a check would do now."""
        return plan_for(Wanted(name, **wanted), self.identity, None)

    def newest(self, name: str = "acme") -> Plan:
        return plan_for(Wanted(name), self.identity, None, newest=True).plan

    def approve(self, name: str = "acme") -> Plan:
        plan = self.newest(name)
        approve(self.state, plan, "li", NOW)
        return plan

    def held(self, name: str = "acme") -> set[str]:
        return {item for _, item in self.plan(name).plan.held}

    def configure(self, text: str) -> None:
        self.state.config.write_text(text)


def enrolled_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine of site plant-a, called app-01; its collector cannot be reached."""
    state = State(tmp_path / "state")
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(state.root))
    state.prepare()
    machine = Machine(state)
    key_file, _ = new_key(state)
    install = install_id(state)
    save_identity(
        state,
        Identity(
            "a-1",
            install,
            (SITE,),
            "app-01",
            "http://127.0.0.1:1",
            "epoch-1",
            fingerprint(install),
            key_file,
            sign_key=public(machine.key),
        ),
    )
    return machine
