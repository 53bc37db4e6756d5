"""docs/privacy.md names what is sent and what stays; held to the code, so that neither grows unseen."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from machine import ROOT

from agent.config import Config
from agent.paths import State
from agent.redact import Redactor
from agent.redaction.siterules import SHORTEST, SiteRules
from agent.uplink import HEADERS, headers_of
from checks.envelope import Enrolment, Envelope, Seal

TEXT = (ROOT / "docs/privacy.md").read_text()


def row(begins: str) -> str:
    return next(line for line in TEXT.splitlines() if line.startswith(f"| {begins}"))


def test_every_field_of_an_enrolment_is_named() -> None:
    told = row("`POST /api/v1/enrol`")
    assert [name for name in Enrolment.__struct_fields__ if f"`{name}`" not in told] == []


def test_every_header_is_named() -> None:
    envelope = Envelope(Seal("a", "0" * 8, "0" * 64, "s"), b"")
    sent = {"Host", "Content-Length", *HEADERS, *headers_of(envelope)}
    assert [name for name in sorted(sent) if f"`{name}`" not in TEXT] == []
    assert HEADERS["User-Agent"] == "firstlight"


def test_every_request_of_the_agent_is_named() -> None:
    source = "".join(
        (ROOT / path).read_text()
        for path in ("agent/uplink.py", "checks/envelope.py", "agent/rules/fetching.py")
    )
    for path in set(re.findall(r'"(/api/v1/[a-z]+)', source)):
        assert f"{path}" in TEXT, path


def test_the_files_that_must_stay_are_named() -> None:
    state = State(Path("/state"))
    for path in (state.salts, state.redaction_key, state.masks):
        assert f"| `{path.name}` |" in TEXT


def test_the_example_of_rules_is_one() -> None:
    example = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert example is not None
    config = msgspec.toml.decode(example[1], type=Config)
    assert config.redact.words == ("Falcon", "天枢")
    rules = SiteRules(config.redact, "config.toml")
    clean = Redactor("secret", rules).text("Falcon SN-123456 Customer-9")
    assert re.fullmatch(r"(\[redacted:\w{8}\] ?){3}", clean)
    assert f"a line of {SHORTEST} characters" in TEXT.replace("\n", " ")


@pytest.mark.parametrize("command", sorted(set(re.findall(r"firstlight ([a-z-]+)", TEXT))))
def test_every_command_exists(command: str) -> None:
    from agent.commands import COMMANDS

    assert command in COMMANDS
