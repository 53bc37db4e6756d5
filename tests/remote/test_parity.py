"""Every fact reads the same over SSH as on the machine itself, for root and for anybody.

The target is this machine, so there are two ways to the same thing. Of a value that moves by itself only
what stands still is compared (`standing` in parity_samples); of a failed reading its cause.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from far_side import read_at, somebody_at
from local_reader import read_as
from parity_samples import World, make_world, samples, standing
from sshd import Sshd

import checks.facts
from checks.fact import FACTS, Fact, Reading

SAMPLES = list(samples(World("/nowhere")))
Both = dict[str, tuple[dict[str, Reading], dict[str, Reading]]]


@pytest.fixture(scope="module")
def both(ssh_server: Sshd) -> Iterator[Both]:
    """What is read here and what is read over SSH, as root and as somebody."""
    with somebody_at(ssh_server) as somebody, make_world(somebody) as world:
        facts = samples(world)

        def named(readings: dict[Fact, Reading]) -> dict[str, Reading]:
            return {name: readings[fact] for name, fact in facts.items()}

        yield {
            who: (
                named(read_as(user, list(facts.values()))),
                named(read_at(ssh_server, facts.values(), user)),
            )
            for who, user in {"root": ssh_server.user, "somebody": somebody.name}.items()
        }


@pytest.mark.parametrize("who", ["root", "somebody"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_a_reading_over_ssh_is_the_reading_of_the_machine(both: Both, sample: str, who: str) -> None:
    here, there = both[who]
    assert standing(there[sample]) == standing(here[sample])


def test_every_fact_has_a_sample() -> None:
    for module in pkgutil.walk_packages(checks.facts.__path__, "checks.facts."):
        importlib.import_module(module.name)
    shipped = {name for name, made in FACTS.items() if made.__module__.startswith("checks.facts.")}
    sampled = {type(fact) for fact in samples(World("/nowhere")).values()}
    assert {made.__name__ for made in sampled if made.__module__.startswith("checks.facts.")} == shipped


def test_the_samples_have_all_kinds_of_answers(both: Both) -> None:
    """Two readings that both say nothing would be equal as well."""
    for who, causes in {
        "root": {"absent", "unsupported", "failed", "too-large", "binary", "parse"},
        "somebody": {"absent", "unsupported", "failed", "too-large", "binary", "parse", "denied"},
    }.items():
        here, _ = both[who]
        told = [standing(reading) for reading in here.values()]
        assert causes <= {said for said in told if isinstance(said, str)}
        assert sum(not isinstance(said, str) for said in told) > len(told) / 3
