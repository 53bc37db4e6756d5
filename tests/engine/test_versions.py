"""Versions by the rules of whoever numbers them, held against the real tools where they are installed."""

from __future__ import annotations

import re
import subprocess
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import InvalidVersion, Version
from services import program

from checks.versions import MAX_LENGTH, SCHEMES, compare, key, numbers

ASCENDING = {
    "plain": ["1", "1.0.1", "1.2", "1.10", "2", "V10", "22.04", "22.10", "20240101"],
    # semver.org, §11
    "semver": [
        *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"),
        *("1.0.0-rc.1", "1.0.0", "1.0.1", "1.2", "1.10.0-0", "1.10.0", "2"),
    ],
    # deb-version(7)
    "dpkg": [
        *("1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1", "1.0-1ubuntu1", "1.0-1+b1", "1.0a", "1.0+dfsg"),
        *("1.0+dfsg-2", "1.0.1", "1.2", "1.10", "1:0.1", "1:1.22.1-9+deb12u1", "2:0"),
    ],
    # rpm-version(7)
    "rpm": [
        *(
            "1.0~rc1",
            "1.0",
            "1.0^20240101",
            "1.0.a",
            "1.0.1",
            "1.2",
            "1.10",
            "5.14.0-70.el9",
            "5.14.0-362.el9",
        ),
        *("1:0.1", "1:8.0.30-1.el8", "2:0"),
    ],
    # The specification's own example of what follows what.
    "pep440": [
        *(
            "1.dev0",
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
        ),
        *(
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
        ),
        *("1.0+5", "1.0.post456.dev34", "1.0.post456", "1.0.15", "1.1.dev1", "1!0.1"),
    ],
    "apk": [
        *(
            "0.1.0_alpha_pre2",
            "0.1.0_alpha",
            "0.1.0_alpha2",
            "0.1.3_alpha",
            "0.9.28-r1",
            "0.9.28-r2",
            "0.9.28.1",
        ),
        *("1.0_p9-r0", "1.0_p10-r0", "1.02", "1.02.07", "1.02.10-r1", "1.1_alpha1", "1.1", "1.1-r1", "1.1a"),
        *("1.1.1-r1", "1.3_pre1-r1", "1.3-r0", "1.3.1-r0", "1.8.5", "1.8.5_p2", "2.5.1-r8", "2.5.1a-r1"),
        *("6b-r7", "10-r1", "013", "014-r1", "104-r9", "104-r11", "20050718-r1", "20191002222144"),
    ],
}
EQUAL = [
    ("plain", "1.2", "1.2.0"),
    ("plain", "v1.2", "1.2 (Debian 1.2-3)"),
    ("plain", "12.", "12"),
    ("semver", "1.0.0+build.1", "v1.0.0+build.2"),
    ("dpkg", "0:1.0-0", "1.0"),
    ("dpkg", "1.0a", "1.0a0"),
    ("dpkg", "01.00", "1.0"),
    ("rpm", "1.0", "1_0"),
    ("rpm", "(none):1.0-1", "0:1.0-1"),
    ("rpm", "1.18", "1.18-3.el9"),
    ("pep440", "1.0-1", "1.0.post1"),
    ("pep440", "1.0ALPHA1", "1.0.a.1"),
    ("apk", "2.0.6-r1", "2.0.6-r1"),
]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_versions_are_in_their_published_order(scheme: str) -> None:
    for older, newer in pairwise(ASCENDING[scheme]):
        assert compare(older, newer, scheme) == -1, f"{older} < {newer}"
        assert compare(newer, older, scheme) == 1, f"{newer} > {older}"


@pytest.mark.parametrize(("scheme", "one", "other"), EQUAL)
def test_the_same_version_may_be_written_in_two_ways(scheme: str, one: str, other: str) -> None:
    assert compare(one, other, scheme) == 0 == compare(other, one, scheme)


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        ("plain", ""),
        ("plain", "1.2-rc1"),
        ("plain", "1..2"),
        ("plain", "unknown"),
        ("plain", "1" * (MAX_LENGTH + 1)),
        ("plain", "١.٢"),
        ("semver", "1.2.3.4"),
        ("semver", "1.2.3-"),
        ("dpkg", "a1"),
        ("dpkg", "1.0:2"),
        ("dpkg", "1.0-"),
        ("dpkg", "1_0"),
        ("rpm", "1-2-3"),
        ("rpm", "a b"),
        ("apk", "1.0bc"),
        ("apk", "1.0_gamma"),
        ("pep440", "1.0-x"),
        ("nuget", "1.0"),
    ],
)
def test_what_is_no_version_is_refused(scheme: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"is no version by the rules|unknown scheme"):
        compare(text, "1.0", scheme)


def test_the_numbers_of_a_plain_version() -> None:
    assert numbers("V10 (Lance)") == (10,)
    assert numbers("22.04") == (22, 4)


SIGNS = {
    "plain": "019.",
    "semver": "019.-ab",
    "dpkg": "019.+~:-aZ",
    "rpm": "019.~^_+aZ",
    "apk": "019.",
    "pep440": "019.!",
}
PARTS = {
    "apk": ["_alpha", "_p", "_rc1", "-r0", "-r12", "a", "_git20240101", ".05"],
    "pep440": ["a1", "rc", ".post2", ".dev3", "+x.1", "-4", "b"],
    "semver": ["-rc.1", "+b", "-1", "-a.2"],
}


def versions(scheme: str) -> st.SearchStrategy[str]:
    """Texts that are often versions of the scheme."""
    more = st.lists(st.sampled_from(PARTS.get(scheme, [""])), max_size=2).map("".join)
    return st.builds("{}{}{}".format, st.integers(0, 12), st.text(SIGNS[scheme], max_size=6), more)


def is_version(text: str, scheme: str) -> bool:
    try:
        key(text, scheme)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("scheme", SCHEMES)
@given(st.data())
def test_any_three_versions_have_one_order(scheme: str, data: st.DataObject) -> None:
    """For rpm with a release each: one without is equal to several that are not equal to each other."""
    release = "-1" if scheme == "rpm" else ""
    some = versions(scheme).map(lambda text: text + release).filter(lambda text: is_version(text, scheme))
    one, two, three = (data.draw(some) for _ in range(3))
    assert compare(one, one, scheme) == 0
    assert compare(one, two, scheme) == -compare(two, one, scheme)
    if compare(one, two, scheme) <= 0 and compare(two, three, scheme) <= 0:
        assert compare(one, three, scheme) <= 0


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(SCHEMES))
def test_any_text_is_compared_or_refused(one: str, other: str, scheme: str) -> None:
    try:
        assert compare(one, other, scheme) in (-1, 0, 1)
    except ValueError as problem:
        assert str(problem)


@given(versions("pep440"), versions("pep440"))
def test_python_versions_are_compared_as_pip_does(one: str, other: str) -> None:
    try:
        first, second = Version(one), Version(other)
    except InvalidVersion:
        assert not (is_version(one, "pep440") and is_version(other, "pep440"))
        return
    assert compare(one, other, "pep440") == (first > second) - (first < second)


def test_debian_versions_are_compared_as_dpkg_does() -> None:
    """In one shell: a process for each pair would take minutes."""
    program("dpkg", "dpkg")
    texts = ASCENDING["dpkg"] + [
        "1.0a0",
        "1.0.",
        "1.0.~",
        "1.0-0",
        "0:1.0",
        "1.0+",
        "1.0a+",
        "1-1-1",
        "1.0Z",
        "09",
    ]
    pairs = list(product(texts, texts))
    script = (
        'while read -r a b; do if dpkg --compare-versions "$a" lt "$b"; then echo -1; '
        'elif dpkg --compare-versions "$a" gt "$b"; then echo 1; else echo 0; fi; done'
    )
    said = subprocess.run(
        ["/bin/sh", "-c", script],
        input="".join(f"{one} {other}\n" for one, other in pairs),
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(zip(pairs, map(int, said.stdout.split()), strict=True))
    assert {pair: compare(*pair, "dpkg") for pair in pairs} == found


def test_rpm_versions_are_compared_as_rpm_does() -> None:
    program("rpm", "rpm")
    texts = [
        "1.0",
        "1.0.",
        "1_0",
        "1.0~rc1",
        "1.0~",
        "1.0^",
        "1.0^1",
        "1.0~rc1^2",
        "1.0a",
        "1.0.a",
        "a",
        "a1",
    ]
    texts += [
        "1.10",
        "1.9",
        "01",
        "1",
        "1.0.0",
        "10",
        "1.0Z",
        "1.0a1",
        "~",
        "^",
        "5.14.0",
        "1..2",
        "+",
        "20240101",
    ]
    pairs = list(product(texts, texts))
    said = "".join(f'print(rpm.vercmp("{one}", "{other}"))' for one, other in pairs)
    ran = subprocess.run(["rpm", "--eval", f"%{{lua: {said} }}"], capture_output=True, text=True, check=True)
    # Its answers come without anything between them.
    found = dict(zip(pairs, map(int, re.findall(r"-1|0|1", ran.stdout)), strict=True))
    assert {pair: compare(*pair, "rpm") for pair in pairs} == found


def test_epoch_and_release_are_compared_as_rpm_does() -> None:
    program("rpm", "rpm")
    texts = ["1.0-1", "1.0-2", "1:0.9-1", "0:1.0-1", "1.0-10.el9", "1.0-2.el9_4.1", "1.0~rc1-9", "2.0-0"]
    for one, other in product(texts, texts):
        ran = subprocess.run(
            ["rpm", "--eval", f'%{{lua: print(rpm.vercmp("{one}", "{other}")) }}'],
            capture_output=True,
            text=True,
            check=True,
        )
        assert compare(one, other, "rpm") == int(ran.stdout), f"{one} {other}"
