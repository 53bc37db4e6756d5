"""Which of two versions is newer, by the rules of whoever numbers them.

``plain``    dotted numbers; missing parts are 0, letters before them and words after a blank mean nothing
``semver``   Semantic Versioning 2.0, §11; missing parts are 0 here as well, so that ``2`` can be a bound
``dpkg``     Debian and Ubuntu, deb-version(7)
``rpm``      Red Hat, SUSE and others, rpm-version(7); a release counts only where both have one
``apk``      Alpine, apk-package(5)
``pep440``   Python packages, PEP 440

Whoever compares a package should name its scheme: ``1.0~rc1`` is older than ``1.0`` for dpkg and rpm alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

DEFAULT: Final = "plain"
MAX_LENGTH: Final = 256
"""Characters of a version: bounds what comparing can cost."""

# What may follow a plain version is kept apart from it: "15.3 (Debian 15.3-1)", "10 (buster)".
_PLAIN: Final = r"[A-Za-z]{0,20}(\d+(?:\.\d+)*)\.?(?:\s.*)?"
_SEMVER: Final = (
    r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_DPKG: Final = r"(?:(\d+):)?(\d[A-Za-z0-9.+~:-]*)"
_RPM: Final = r"(?:(\d+|\(none\)):)?([^-:\s]+)(?:-([^-:\s]+))?"
_APK: Final = (
    r"(\d+(?:\.\d+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*)(?:~([0-9a-f]+))?(?:-r(\d+))?"
)
_PEP440: Final = (
    r"v?(?:(\d+)!)?(\d+(?:\.\d+)*)"
    r"(?:[._-]?(alpha|a|beta|b|preview|pre|c|rc)[._-]?(\d*))?"
    r"(?:-(\d+)|[._-]?(post|rev|r)[._-]?(\d*))?"
    r"(?:[._-]?(dev)[._-]?(\d*))?"
    r"(?:\+([a-z0-9]+(?:[._-][a-z0-9]+)*))?"
)


def compare(one: str, other: str, scheme: str = DEFAULT) -> int:
    """-1 where `one` is older, 1 where it is newer, 0 where both are the same version.

    Raises `ValueError` for a text that is no version of the scheme, and for a scheme that is not known.
    """
    first, second = key(one, scheme), key(other, scheme)
    if scheme == "rpm" and not (first[2] and second[2]):
        first, second = first[:2], second[:2]
    return (first > second) - (first < second)


def key(version: str, scheme: str = DEFAULT) -> tuple[Any, ...]:
    """What versions of one scheme are sorted by. Raises `ValueError` as `compare` does."""
    read = _KEYS.get(scheme)
    if read is None:
        raise ValueError(f"unknown scheme {scheme!r:.40}; it is one of {', '.join(SCHEMES)}")
    form, make = read
    # ASCII digits only: int() would take others, the tools do not.
    found = re.fullmatch(form, version.strip(), re.ASCII) if len(version) <= MAX_LENGTH else None
    if found is None:
        raise ValueError(f"{version!r:.80} is no version by the rules of {scheme}")
    return make(found)


def numbers(version: str) -> tuple[int, ...]:
    """The dotted numbers of a plain version: ``V10`` is 10, ``22.04`` 22 and 4. Raises `ValueError`."""
    found = re.fullmatch(_PLAIN, version.strip(), re.ASCII) if len(version) <= MAX_LENGTH else None
    if found is None:
        raise ValueError(f"{version!r:.80} is no version by the rules of plain")
    return tuple(int(part) for part in found[1].split("."))


def _plain(found: re.Match[str]) -> tuple[Any, ...]:
    return _without_zeros(found[1])


def _semver(found: re.Match[str]) -> tuple[Any, ...]:
    core = tuple(int(part or 0) for part in found.group(1, 2, 3))
    if found[4] is None:
        return (*core, (1,))
    parts = found[4].split(".")
    return (*core, (0, *((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)))


def _dpkg(found: re.Match[str]) -> tuple[Any, ...]:
    upstream, dash, revision = found[2].rpartition("-")
    if not dash:
        upstream, revision = found[2], ""
    if (":" in upstream and found[1] is None) or ":" in revision or (dash and not revision):
        raise ValueError(f"{found[0]!r:.80} is no version by the rules of dpkg")
    return int(found[1] or 0), _dpkg_part(upstream), _dpkg_part(revision)


def _dpkg_part(text: str) -> tuple[Any, ...]:
    """Turns of non-digits and digits; ``~`` sorts before the end, letters before all other signs."""
    made: list[Any] = []
    for signs, digits in re.findall(r"([^0-9]*)([0-9]*)", text):
        made += [(*(_dpkg_rank(sign) for sign in signs), 0), int(digits or 0)]
    while len(made) > 2 and made[-2:] == [(0,), 0]:
        del made[-2:]  # a missing number is 0: 1.0a is 1.0a0
    return (*made, (0,), 0)


def _dpkg_rank(sign: str) -> int:
    return -1 if sign == "~" else ord(sign) if sign.isalpha() else ord(sign) + 256


def _rpm(found: re.Match[str]) -> tuple[Any, ...]:
    epoch = 0 if found[1] in (None, "(none)") else int(found[1])
    return epoch, _rpm_part(found[2]), _rpm_part(found[3]) if found[3] else ()


def _rpm_part(text: str) -> tuple[Any, ...]:
    """Runs of digits or letters, all else only parts them: ``~`` < the end < ``^`` < letters < digits."""
    made: list[tuple[int, int, str]] = []
    for part in re.findall(r"[0-9]+|[A-Za-z]+|[~^]", text):
        if part.isdigit():
            made.append((3, int(part), ""))
        else:
            made.append(({"~": -1, "^": 1}.get(part, 2), 0, part))
    return (*made, (0, 0, ""))


def _apk(found: re.Match[str]) -> tuple[Any, ...]:
    """The parts with what apk ranks them by where two versions part: an end is older than any further part,
    except for a suffix that says it is before a release."""
    first, *others = found[1].split(".")
    rest = found[0][len(found[1]) :]
    made: list[tuple[int, Any]] = [(5, int(first))]
    for at, part in enumerate(others, 1):
        digits = part.lstrip("0")
        if digits == part:
            made.append((6, int(part)))
            continue
        # Zeros in front make a part a fraction: 1.05 is older than 1.5.
        made.append((6, len(digits) - len(part)))
        if digits or at < len(others) or rest:
            made.append((5, int(digits or 0)))
    if found[2]:
        made.append((4, ord(found[2])))
    for name, digits in re.findall(r"_([a-z]+)(\d*)", found[3]):
        before = name in _BEFORE
        made.append((-1, _BEFORE.index(name)) if before else (3, _AFTER.index(name)))
        made += [(2, int(digits))] if digits else []
    if found[4]:
        made.append((1, (0, found[4])))
    if found[5]:
        made.append((1, (1, int(found[5]))))
    return (*made, (0, 0))


_BEFORE: Final = ("alpha", "beta", "pre", "rc")
_AFTER: Final = ("cvs", "svn", "git", "hg", "p")


def _pep440(found: re.Match[str]) -> tuple[Any, ...]:
    """Without a pre-release a version is after those that have one, unless only a dev number follows."""
    groups = (part.lower() if part else part for part in found.groups())
    epoch, release, pre, pre_number, dash_post, post, post_number, dev, dev_number, local = groups
    after: tuple[int, ...] = (-1,)
    if dash_post or post:
        after = (0, int(dash_post or post_number or 0))
    before: tuple[Any, ...] = (1,)
    if pre:
        before = (0, _PRE.get(pre, pre), int(pre_number or 0))
    elif dev and after == (-1,):
        before = (-1,)
    unfinished = (0, int(dev_number or 0)) if dev else (1,)
    parts = re.split(r"[._-]", local) if local else []
    here = tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts)
    return int(epoch or 0), _without_zeros(release), before, after, unfinished, here


_PRE: Final = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}


def _without_zeros(dotted: str) -> tuple[int, ...]:
    parts = [int(part) for part in dotted.split(".")]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


_KEYS: Final[dict[str, tuple[str, Callable[[re.Match[str]], tuple[Any, ...]]]]] = {
    "plain": (_PLAIN, _plain),
    "semver": (_SEMVER, _semver),
    "dpkg": (_DPKG, _dpkg),
    "rpm": (_RPM, _rpm),
    "apk": (_APK, _apk),
    "pep440": (f"(?i:{_PEP440})", _pep440),
}
SCHEMES: Final = tuple(_KEYS)
