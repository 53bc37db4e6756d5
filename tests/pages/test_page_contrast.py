"""The colours keep the contrast that WCAG 2.2 AA asks of text (1.4.3: 4.5 to 1), in light and in dark."""

from __future__ import annotations

import re

import pytest

from server.pages.frame import STATIC

CSS = (STATIC / "firstlight.css").read_text()
PAIRS = [
    *((text, ground) for text in ("ink", "soft", "link") for ground in ("paper", "ground")),
    *((status, f"{status}-ground") for status in ("fail", "warn", "pass", "error", "none")),
    ("paper", "fail"),
    ("paper", "ink"),
    ("warn", "paper"),
    ("warn", "ground"),
]


def colours(scheme: str) -> dict[str, str]:
    """The tokens of a scheme, by name."""
    light, dark = re.findall(r":root \{(.*?)\n\s*\}", CSS, re.DOTALL)[:2]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", light if scheme == "light" else dark))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it, 0 for black and 1 for white."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_can_be_read_on_its_ground(scheme: str, text: str, ground: str) -> None:
    tokens = colours(scheme)
    assert contrast(tokens[text], tokens[ground]) >= 4.5


def test_both_schemes_name_the_same_colours() -> None:
    assert colours("light").keys() == colours("dark").keys()
