"""Where what was found at several targets has its place, and what becomes one of what differs."""

from __future__ import annotations

from typing import Any

import pytest

from agent.discover.draft import Draft, Placed, make_draft
from agent.discover.merging import merged
from agent.discover.seen import Entry, Extension, Finding, Note, Written

Where = dict[str, tuple[str, ...]]
DB_AND_WEB: Where = {"db1": ("db",), "db2": ("db",), "web1": ("web",)}


def entry(id: str = "x", check: str = "file.stat", why: str = "seen", **parameters: Any) -> Entry:
    return Entry("files", id, check, parameters, why)


def places(draft: Draft) -> dict[str, tuple[str, ...]]:
    return {placed.entry.id: placed.roles for placed in draft.items}


def of(roles: Where, **found: list[Finding]) -> Draft:
    return make_draft("it", {target: found.get(target, []) for target in roles}, roles)


def test_what_all_have_is_for_all_and_what_a_role_has_for_the_role() -> None:
    everywhere, databases, page = entry("all", path="/a"), entry("db", path="/b"), entry("web", path="/c")
    draft = of(DB_AND_WEB, db1=[everywhere, databases], db2=[everywhere, databases], web1=[everywhere, page])
    assert places(draft) == {"all": (), "db": ("db",), "web": ("web",)}
    assert draft.notes == ()


def test_what_one_target_of_a_role_has_is_said_and_held_nowhere() -> None:
    draft = of(DB_AND_WEB, db1=[entry("odd", path="/a")])
    assert draft.items == ()
    assert [note.text for note in draft.notes] == ["no role stands for db1 alone: seen; file.stat {path: /a}"]


def test_what_two_roles_have_is_for_both() -> None:
    roles = DB_AND_WEB | {"app1": ("app",)}
    draft = of(roles, db1=[entry()], db2=[entry()], web1=[entry()])
    assert places(draft) == {"x": ("db", "web")}


def test_of_two_roles_of_one_target_one_is_enough() -> None:
    draft = of({"a": ("web", "edge"), "b": ("db",)}, a=[entry()])
    assert places(draft) == {"x": ("web",)}


def test_what_differs_between_roles_is_one_item_for_each() -> None:
    draft = of(DB_AND_WEB, db1=[entry(mode="0600")], db2=[entry(mode="0600")], web1=[entry(mode="0644")])
    assert places(draft) == {"x.db": ("db",), "x.web": ("web",)}
    assert [placed.entry.parameters for placed in draft.items] == [{"mode": "0600"}, {"mode": "0644"}]


def test_what_differs_within_a_role_is_one_item_that_holds_at_all_of_it() -> None:
    draft = of(DB_AND_WEB, db1=[entry(mode="0600", why="a")], db2=[entry(mode="0640", why="b")])
    assert [placed.entry.parameters for placed in draft.items] == [{"mode_at_most": "0640"}]
    assert [placed.entry.why for placed in draft.items] == ["db1: a; db2: b"]


def test_texts_that_are_judged_each_by_itself_find_their_place_each_by_itself() -> None:
    def services(*names: str) -> Entry:
        return Entry("services", "others", "svc.state", {"names": [*names]}, "run", listed="names")

    draft = of(
        DB_AND_WEB,
        db1=[services("cron", "pg")],
        db2=[services("cron", "pg")],
        web1=[services("cron", "nginx")],
    )
    assert [(p.entry.id, p.roles, p.entry.parameters["names"]) for p in draft.items] == [
        ("others", (), ["cron"]),
        ("others.db", ("db",), ["pg"]),
        ("others.web", ("web",), ["nginx"]),
    ]


def test_one_such_text_alone_is_the_same_as_one_of_many() -> None:
    def services(*names: str) -> Entry:
        return Entry("services", "others", "svc.state", {"names": [*names]}, "run", listed="names")

    draft = of({"a": ("x",), "b": ("y",)}, a=[services("cron")], b=[services("cron", "pg")])
    assert [(p.entry.id, p.roles, p.entry.parameters["names"]) for p in draft.items] == [
        ("others", (), ["cron"]),
        ("others.y", ("y",), ["pg"]),
    ]


def test_a_base_is_for_the_roles_whose_targets_all_run_its_product() -> None:
    postgres, nginx = (
        Extension("db-postgresql", "PostgreSQL runs here"),
        Extension("web-nginx", "nginx runs here"),
    )
    draft = of(DB_AND_WEB, db1=[postgres, nginx], db2=[postgres], web1=[])
    assert [(base.profile, base.roles) for base in draft.bases] == [("db-postgresql", ("db",))]
    assert [note.text for note in draft.notes] == [
        "extends web-nginx would fit db1; give what runs it a role of its own"
    ]


def test_notes_of_several_targets_name_them() -> None:
    draft = of(DB_AND_WEB, db1=[Note("files", "x")], db2=[Note("files", "x")])
    assert [note.text for note in draft.notes] == ["db1: x", "db2: x"]
    assert [note.text for note in make_draft("it", {"a": [Note("files", "x")]}, {"a": ()}).notes] == ["x"]


def test_a_machine_by_itself_has_variables_and_two_values_have_two() -> None:
    found: list[Finding] = [
        Entry(
            "ports",
            "x",
            "net.listen_bind",
            {"address": Written("${address}")},
            "",
            variables={"address": value},
        )
        for value in ("10.0.0.1", "10.0.0.2", "10.0.0.1")
    ]
    draft = make_draft("it", {"a": found}, {"a": ()})
    assert draft.variables == {"address": "10.0.0.1", "address_2": "10.0.0.2"}
    assert [(p.entry.id, p.entry.parameters["address"]) for p in draft.items] == [
        ("x", "${address}"),
        ("x-2", "${address_2}"),
        ("x-3", "${address}"),
    ]
    assert all(isinstance(placed.entry.parameters["address"], Written) for placed in draft.items)
    assert draft.items[0] == Placed(draft.items[0].entry)


@pytest.mark.parametrize(
    ("check", "one", "other", "both"),
    [
        ("user.account", {"uid": 5}, {"uid": 3}, {"uid": {"one_of": [3, 5]}}),
        ("user.account", {"groups": ["a", "b"]}, {"groups": ["b", "c"]}, {"groups": ["b"]}),
        ("user.account", {"name": "x", "groups": ["a"]}, {"name": "x"}, {"name": "x"}),
        ("proc.running", {"name": "x", "user": "a"}, {"name": "x", "user": "b"}, {"name": "x"}),
        ("proc.running", {"name": "x", "allow_root": True}, {"name": "x"}, {"name": "x", "allow_root": True}),
        ("pkg.version", {"at_least": "1.10-1"}, {"at_least": "1.9-1"}, {"at_least": "1.9-1"}),
        ("net.listen_bind", {"address": "all"}, {"address": "10.0.0.1"}, {"address": "remote"}),
        ("net.listen_bind", {"address": "all"}, {"address": "loopback"}, None),
        ("file.stat", {"mode": "0640"}, {"mode": "0604"}, {"mode_at_most": "0644"}),
        ("file.stat", {"type": "file"}, {"type": "socket"}, None),
        ("tls.keypair", {"key": "/a"}, {}, None),
        ("kern.param", {"value": 1}, {"value": 2}, {"value": {"one_of": [1, 2]}}),
    ],
)
def test_how_two_become_one(
    check: str, one: dict[str, Any], other: dict[str, Any], both: dict[str, Any] | None
) -> None:
    entries = {
        name: Entry("x", "x", check, parameters, "", scheme="dpkg")
        for name, parameters in (("a", one), ("b", other))
    }
    whole = merged(entries)
    assert (whole.parameters if whole is not None else None) == both


def test_two_that_are_not_alike_at_all_do_not_become_one() -> None:
    assert merged({"a": entry(check="file.stat"), "b": entry(check="pkg.version")}) is None
