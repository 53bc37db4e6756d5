"""Profiles from texts of others: no file is opened for them, and nothing grows without end."""

from __future__ import annotations

from pathlib import Path

import pytest
from rules_world import HARMLESS, acme, profile

from checks import published
from checks.errors import BadInput
from checks.profile_source import profile_names
from checks.published import closure, load_published, named_in, read_published, refuse_unusable


def test_it_extends_shipped_and_published_profiles_by_name() -> None:
    base = acme(
        "- {id: hosts, check: file.stat, with: {path: /etc/hosts}}\n", id="acme-base", extends="linux-server"
    )
    read = read_published("acme", {"acme": acme(HARMLESS, extends="[acme-base]"), "acme-base": base})
    assert {"passwd", "hosts", "disk.free"} <= {item.id for item in read.items}
    assert (read.id, read.version, read.adhoc) == ("acme", "1", False)


def test_what_it_is_made_of_are_its_own_text_and_those_it_extends() -> None:
    texts = {"a": acme(HARMLESS, extends="b"), "b": acme(HARMLESS, id="b"), "c": acme(HARMLESS, id="c")}
    assert closure("a", texts) == {"a": texts["a"], "b": texts["b"]}


@pytest.mark.parametrize(
    "name", ["/etc/firstlight/x.yaml", "../x.yaml", "./x", "x.yaml", "../../etc/passwd", "a/b"]
)
def test_it_never_extends_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text(acme(HARMLESS))
    with pytest.raises(BadInput, match="by name, and no file"):
        load_published("acme", {"acme": acme(HARMLESS, extends=name)})


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"acme": acme(HARMLESS, extends="nobody")}, "neither shipped nor published here"),
        ({"acme": acme(HARMLESS, extends="acme")}, "leads back to it"),
        ({"acme": acme(HARMLESS, extends="b"), "b": acme(HARMLESS, extends="acme", id="b")}, "leads back"),
        ({"acme": "profile: acme\nitems: 3\n"}, "items is a list"),
        ({"acme": acme("- {check: no.such}\n")}, "unknown check"),
        ({"acme": "[]"}, "a profile is a mapping"),
        ({"acme": "\x00"}, "acme"),
    ],
)
def test_a_mistake_is_told_with_the_profile_in_the_place_of_a_file(texts: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        read_published("acme", texts)


def test_profiles_that_extend_each_other_over_and_over_are_refused() -> None:
    texts = {
        f"p{n}": acme(HARMLESS, id=f"p{n}", extends=f"[{', '.join([f'p{n + 1}'] * 10)}]") for n in range(8)
    } | {"p8": acme(HARMLESS, id="p8")}
    with pytest.raises(BadInput, match="more than 100 profiles"):
        load_published("p0", texts)


def test_variables_do_not_blow_it_up() -> None:
    long = "x" * 100_000
    items = "".join(
        f"- {{id: i{n}, check: file.stat, with: {{path: '/{'${v}' * 40}'}}}}\n" for n in range(20)
    )
    with pytest.raises(BadInput, match="too large"):
        load_published("acme", {"acme": f"variables: {{v: {long}}}\n" + acme(items)})
    many = f"variables: {{v: [{', '.join(['a'] * 20_000)}]}}\n"
    listed = "".join(f"- {{id: i{n}, check: cmd.output, with: {{command: '${{v}}'}}}}\n" for n in range(20))
    with pytest.raises(BadInput, match="too large"):
        load_published("acme", {"acme": many + acme(listed)})


def test_aliases_do_not_blow_it_up() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]"
        for a, b in zip("abcdef", "bcdefg", strict=True)
    ]
    with pytest.raises(BadInput, match="aliases expanded"):
        load_published("acme", {"acme": "\n".join(lines)})


@pytest.mark.parametrize("name", profile_names())
def test_no_shipped_name_can_be_published(name: str) -> None:
    with pytest.raises(BadInput, match="shipped with Firstlight"):
        refuse_unusable([profile(acme(HARMLESS, id=name))])


def test_a_profile_is_what_it_says_of_itself() -> None:
    from checks.rules import PublishedProfile

    with pytest.raises(BadInput, match="says of itself that it is acme 1"):
        refuse_unusable([PublishedProfile("other", "1", acme(HARMLESS))])
    with pytest.raises(BadInput, match="published twice"):
        refuse_unusable([profile(acme(HARMLESS))] * 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("items: []", "lacks the key profile"),
        ("profile: acme\nitems: []", "lacks the key version"),
        ("profile: ../../etc/x\nversion: 1", "is no name"),
        ("profile: /etc/passwd\nversion: 1", "is no name"),
        (f"profile: {'a' * 101}\nversion: 1", "more than 100"),
        ("profile: [a]\nversion: 1", "lacks the key profile"),
        ("profile: a\nversion: {b: c}", "lacks the key version"),
        ('profile: a\nversion: "1\\e[2J"', "characters that cannot be shown"),
        ('profile: a\nversion: "1\\u202e"', "characters that cannot be shown"),
    ],
)
def test_an_id_is_never_a_path(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        named_in(text, "here")


def leaf(name: str, items: int) -> str:
    listed = "".join(f"- {{id: {name}-{n}, check: disk.free}}\n" for n in range(items))
    return acme(listed, id=name)


def test_what_is_published_in_all_stays_within_what_can_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small texts that extend each other make hours of work, at every agent, before any of them is taken."""
    monkeypatch.setattr(published, "MAX_ITEMS", 100)
    bases = [profile(leaf(f"b{n}", 10)) for n in range(3)]
    above = [profile(acme(HARMLESS, id=f"a{n}", extends="[b0, b1, b2]")) for n in range(3)]
    refuse_unusable([*bases, *above[:2]])
    with pytest.raises(BadInput, match="more than 100 items in all"):
        refuse_unusable([*bases, *above])
    monkeypatch.setattr(published, "MAX_ITEMS", 10_000)
    once = sum(len(each.text) for each in bases)
    monkeypatch.setattr(published, "MAX_READ", once * 2)
    with pytest.raises(BadInput, match="put together"):
        refuse_unusable([*bases, *above])
