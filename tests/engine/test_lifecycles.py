"""The table of ends: found by fewer and fewer parts of a version, and whole."""

from __future__ import annotations

from datetime import date

import pytest

from checks.lifecycles import _ENDS, AS_OF, SOURCES, end_of_life
from checks.profile import load_profile


@pytest.mark.parametrize(
    ("id", "version", "name", "end"),
    [
        ("debian", "12", "", date(2028, 6, 30)),
        ("rhel", "9.3", "", date(2032, 5, 31)),
        ("alpine", "3.20.3", "", date(2026, 4, 1)),
        ("sles", "15.6", "", date(2025, 12, 31)),
        ("sles", "15.9", "", None),
        ("sles", "15", "", None),
        ("amzn", "2023", "", date(2029, 6, 30)),
        ("openEuler", "22.03", "openEuler 22.03 LTS", date(2024, 3, 31)),
        ("openEuler", "22.03", "openEuler 22.03 (LTS-SP4)", date(2026, 6, 30)),
        ("openEuler", "22.03", "openEuler 22.03 (LTS-SP9)", None),
        ("windows", "2019Server", "", date(2029, 1, 9)),
        ("kylin", "V10", "", None),
        ("debian", "", "", None),
        ("", "", "", None),
    ],
)
def test_a_release_ends_with_the_series_it_belongs_to(
    id: str, version: str, name: str, end: date | None
) -> None:
    assert end_of_life(id, version, name) == end


def test_every_entry_is_a_date_and_has_a_source() -> None:
    assert {*_ENDS} == {*SOURCES}
    for ends in _ENDS.values():
        assert all(date(2015, 1, 1) < date.fromisoformat(end) < date(2040, 1, 1) for end in ends.values())
    assert date(2026, 11, 1) <= AS_OF


def test_it_knows_the_distributions_of_linux_server_that_publish_dates() -> None:
    (item,) = (item for item in load_profile("linux-server").items if item.id == "os.supported")
    named = {entry.partition(">=")[0].lower() for entry in item.arguments["supported"]}
    assert named - {*SOURCES} == {"kylin", "uos"}
