"""The site's own words and patterns: applied everywhere, bounded, a wrong one told with file and entry."""

from __future__ import annotations

import re
from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import RedactionRules
from agent.paths import State
from agent.redact import Redactor
from agent.redaction.at_site import redactor_for
from agent.redaction.siterules import SiteRules
from checks.errors import BadInput


def redactor(*patterns: str, words: tuple[str, ...] = ()) -> Redactor:
    return Redactor("secret", SiteRules(RedactionRules(words, patterns), "config.toml"))


def test_words_are_taken_out_in_any_case_and_not_inside_longer_ones() -> None:
    clean = redactor(words=("Falcon", "天枢", "Li")).text(
        "project FALCON, falcon_db, 天枢系统, Li; falconry, linux"
    )
    assert re.sub(r"\[redacted:\w+\]", "#", clean) == "project #, #_db, #系统, #; falconry, linux"


def test_a_word_has_one_token_however_it_is_written() -> None:
    found = re.findall(r"\[redacted:\w+\]", redactor(words=("falcon",)).text("Falcon FALCON falcon"))
    assert len(found) == 3
    assert len(set(found)) == 1


def test_patterns_are_taken_out() -> None:
    clean = redactor(r"SN-\d{6}", r"(?i)customer-\w+").text("SN-123456 of Customer-Acme at SN-12")
    assert re.sub(r"\[redacted:\w+\]", "#", clean) == "# of # at SN-12"


@pytest.mark.parametrize("word", ["redacted", "a", "0", "["])
def test_a_rule_never_eats_a_token(word: str) -> None:
    once = redactor(words=(word,)).text(f"{word} password=hunter2")
    assert redactor(words=(word,)).text(once) == once


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("[", "is not a regular expression"),
        ("a*", "matches nothing at all"),
        ("(a+)+b", "repeats a repeat"),
        (r"(\w+\s?)*:", "repeat"),
        (r"(a|aa)+b", "can be read in several ways"),
        (r"(x{1,3})+b", "can be read in several ways"),
        (r"(.)\1", "refers back to a group"),
        (r".*a.*b.*c.*d", "could take for ever: it has 4 repeats without an end"),
        (r"(\w{1,63}\.){1,9}x", "could take for ever"),
        ("x" * 201, "length <= 200"),
    ],
)
def test_a_pattern_that_is_wrong_or_could_run_away_is_told_with_file_and_entry(
    state: State, pattern: str, told: str
) -> None:
    state.config.write_text(f"[redact]\npatterns = ['fine-\\d', '''{pattern}''']\n")
    with pytest.raises(BadInput) as refused:
        redactor_for(state, "plant-a")
    assert str(refused.value).startswith(f"{state.config}: ")
    assert told in str(refused.value)
    assert "entry 2" in str(refused.value) or "patterns[1]" in str(refused.value)


ALLOWED = [
    r"SN-\d{6}", r"\d+\.\d+", r"https?://intranet[^ ]*", r"(?:\d{1,3}\.){3}\d{1,3}", r"a.*b", r"a.*b.*c",
    r"(?i)project\s+\w+", r"(?<=user=)\w+", r"[A-Z]{2,10}-\d{4,12}", r"(?:foo|bar)-\d+", r"(?:ab)+c",
]  # fmt: skip


@pytest.mark.parametrize("pattern", ALLOWED)
def test_what_people_write_is_accepted_and_fast_on_any_text(pattern: str) -> None:
    made = redactor(pattern)
    for part in ("a", "ab", "1", "1.", "1.1.", "a b", "user=", "project ", "https://intranet", "A-", "abab"):
        began = thread_time()
        made.text(part * 30_000)
        made.text("\n".join([part * 50] * 200))
        assert thread_time() - began < 20, part


def test_a_line_that_is_too_long_to_be_tried_leaves_as_a_token_whole() -> None:
    clean = redactor(r"a.*b.*c").text("short\n" + "a" * 10_000 + "\nshort")
    assert re.fullmatch(r"short\n\[redacted:\w{8}\]short", clean)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_cleaned_once_and_for_all(text: str) -> None:
    made = redactor(r"SN-\d+", r"(?i)acme\w*", words=("falcon", "x"))
    once = made.text(text)
    assert made.text(once) == once
