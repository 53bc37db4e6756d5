"""How pages say moments, lengths and counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.pages import words

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (86_400, "24 h"),
        (47 * 3600, "47 h"),
        (49 * 3600, "2 d 1 h"),
        (9 * 86_400, "9 d"),
        (400 * 86_400, "400 d"),
    ],
)
def test_a_length_is_said_in_its_largest_parts(seconds: int, said: str) -> None:
    assert words.span(seconds) == said


def test_moments_are_said_in_utc_wherever_they_came_from() -> None:
    beijing = datetime(2026, 3, 1, 7, 30, tzinfo=timezone(timedelta(hours=8)))
    assert words.utc(beijing) == "2026-02-28 23:30 UTC"
    assert words.iso(beijing) == "2026-02-28T23:30:00Z"


def test_ages_know_the_past_from_the_future() -> None:
    assert words.ago(NOW - timedelta(hours=3), NOW) == "3 h ago"
    assert words.ago(NOW + timedelta(days=4), NOW) == "in 4 d"
    assert words.ago(NOW, NOW) == "just now"


def test_intervals_are_said_as_people_say_them() -> None:
    assert [words.every(s) for s in (3600, 86_400, 604_800, 21_600)] == [
        "every hour",
        "every day",
        "every week",
        "every 6 h",
    ]


def test_counts_of_shares_keep_two_decimals_and_whole_ones_none() -> None:
    assert [words.count(n) for n in (3, 0.75, 2.0000001, 1 / 3, 0.5)] == ["3", "0.75", "2", "0.33", "0.5"]


@given(st.text(max_size=600))
def test_a_clipped_text_is_short_and_holds_nothing_invisible(text: str) -> None:
    shown = words.clip(text, 50)
    assert len(shown) <= 50
    assert all(c.isprintable() or c == "\n" for c in shown)


@given(st.text("`<>&a ", max_size=30))
def test_code_in_prose_is_set_apart_and_everything_is_escaped(text: str) -> None:
    html = str(words.prose(text))
    plain = html.replace("<code>", "`").replace("</code>", "`")
    assert "<" not in plain
    assert plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


def test_an_unknown_short_word_is_shown_as_it_is() -> None:
    assert words.said("new-word", words.FLAGS) == "new-word"
    assert words.reasons("first-seen,new-word")[1] == "new-word"
    assert words.flags("skew,adhoc") == ["skew", "adhoc"]
