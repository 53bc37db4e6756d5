"""What tests of plugins share: nothing that one of them declares is known to the next."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from checks import registry
from checks.authoring import folder, plugins
from checks.fact import FACTS


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(plugins, "_imported", {})
    monkeypatch.setattr(folder, "_loaded", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    facts, modules = dict(FACTS), set(sys.modules)
    yield
    registry.forget([registry.known()[id] for id in registry.foreign()])
    for name in [name for name, made in FACTS.items() if not made.__module__.startswith("checks.")]:
        if name not in facts:
            del FACTS[name]
    FACTS.update(facts)
    for name in set(sys.modules) - modules:
        if name.startswith(("firstlight_checks_", "acme_", "other_", "broken_")):
            del sys.modules[name]
