"""The pages on identity, bundles and central profiles are held to the code: files, options, numbers."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from machine import ROOT

from agent.bundle import parts
from agent.commands.bundle import command as bundle
from agent.paths import State
from agent.rules import intake
from checks import published, rules
from server.agents import FORK_IS_ALIVE_FOR
from server.ingest.examine import SKEW_FLAGGED, SKEW_HELD


def page(name: str) -> tuple[str, str]:
    """A page as it stands, and as one line."""
    text = (ROOT / "docs" / name).read_text()
    return text, " ".join(text.split())


def test_identity_names_the_files_there_are_and_the_numbers_that_hold(tmp_path: Path):
    text, plain = page("identity.md")
    table = text.split("| file | what it is |")[1].split("\n\n")[0]
    named = set(re.findall(r"`([^`]+)`", table))
    at = State(tmp_path)
    assert named == {
        *(path.name for path in (at.identity, at.install, at.renewal, at.enrolling, at.sequence)),
        "key-….pem",
    }
    assert (timedelta(minutes=5), timedelta(hours=24)) == (SKEW_FLAGGED, SKEW_HELD)
    assert "Above 5 minutes the agent is marked" in plain
    assert "above 24 hours its runs are stored and held" in plain
    assert timedelta(days=7) == FORK_IS_ALIVE_FOR
    assert "fell silent** for a week (or three intervals, if that is longer)" in plain


def test_the_bundle_page_names_every_option_and_every_part():
    text, _ = page("bundle.md")
    options = {option for each in bundle.params for option in each.opts if option.startswith("--")}
    table = text.split("| option | does |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(--[a-z-]+)", table)) <= options
    (largest,) = [each for each in bundle.params if "--max-mb" in each.opts]
    assert f"`--max-mb {largest.default:g}`" in table
    for name in (parts.INDEX, parts.MANIFEST, parts.SNAPSHOT, parts.ACCEPTED, parts.PREVIOUS):
        assert f"`{name}`" in text, name


def test_the_bounds_of_published_rules_are_those_of_the_code():
    _, plain = page("central-profiles.md")
    assert f"It has {intake.FILE_LIMIT // 1024**2} MiB at most" in plain
    assert f"a profile {rules.TEXT_LIMIT // 1024} Ki characters" in plain
    assert f"put together from at most {published.MAX_LOADS} others" in plain
