"""Ranges of versions as goss writes them (blang/semver) as conditions of ours: ``>1.0.0 <2.0.0 || 3``."""

from __future__ import annotations

import re
from typing import Any, Final

_TERM: Final = re.compile(r"(<=|>=|==|!=|<|>|=|!)?\s*([^\s<>=!|]+)")
_VERSION: Final = re.compile(r"v?\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_RELATIONS: Final = {"<": "below", "<=": "at_most", ">": "above", ">=": "at_least"}


def read_range(text: str) -> dict[str, Any]:
    """The condition that one version has to meet. Raises `ValueError`."""
    if len(text) > 1000:
        raise ValueError("a range of more than 1000 characters")
    choices = [_every(part.strip(), text) for part in text.split("||")]
    return choices[0] if len(choices) == 1 else {"any": choices}


def _every(part: str, text: str) -> dict[str, Any]:
    terms: list[dict[str, Any]] = []
    at = 0
    while at < len(part):
        found = _TERM.match(part, at)
        if found is None or not _VERSION.fullmatch(found[2]):
            raise ValueError(f"{text!r:.80} is no range of versions such as >1.0.0 <2.0.0 that is known here")
        sign, version = found[1] or "=", found[2]
        relation = _RELATIONS.get(sign, "equals")
        said = {"version": {"scheme": "semver", relation: version}}
        terms.append({"not": said} if sign in ("!", "!=") else said)
        at = found.end()
        while part[at : at + 1].isspace():
            at += 1
    if not terms:
        raise ValueError("an empty range of versions")
    return terms[0] if len(terms) == 1 else {"all": terms}
