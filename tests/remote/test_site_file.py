"""The site file: a mistake is named with file, line and what would be right, and what is right counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from ssh_site import SiteFolder

from agent.targets.route import Router
from agent.targets.sitefile import Site, SiteTarget, load_site
from checks.errors import BadInput, BadProfile

HEAD = "site: plant\ntargets:\n"


def loaded(folder: Path, text: str) -> Site:
    path = folder / "site.yaml"
    path.write_text(text)
    return load_site(path)


def mistake(folder: Path, text: str) -> str:
    """What is said of a mistake, without the folder."""
    with pytest.raises(BadProfile) as problem:
        loaded(folder, text)
    return str(problem.value).removeprefix(f"{folder}/")


def plain(target: SiteTarget) -> dict[str, Any]:
    """What a target says, without what it does not say."""
    found = msgspec.structs.asdict(target)
    return {key: value for key, value in found.items() if value and key != "variables"}


MISTAKES: dict[str, dict[str, str]] = yaml.safe_load(
    Path(__file__).with_name("site_mistakes.yaml").read_text()
)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_what_would_be_right(name: str, tmp_path: Path) -> None:
    found = mistake(tmp_path, MISTAKES[name]["site"])
    assert found.startswith(f"site.yaml:{MISTAKES[name]['says']}"), found
    assert "\n" not in found


def test_what_is_no_text_or_too_much_of_it(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_bytes(HEAD.encode() + b"  a: {address: \xff}\n")
    with pytest.raises(BadProfile, match="yaml:3: is not UTF-8"):
        load_site(path)
    path.write_text(HEAD + "  a: {address: a} # " + "x" * (1 << 20))
    with pytest.raises(BadProfile, match="is larger than 1 MiB"):
        load_site(path)
    with pytest.raises(BadProfile, match="Is a directory"):
        load_site(tmp_path)


def test_all_that_a_target_can_say(tmp_path: Path) -> None:
    site = loaded(
        tmp_path,
        "site: plant\nprofile: sub/erp.yaml\nvariables: {x: 1}\ntargets:\n"
        "  db:\n    address: db.example\n    user: deploy\n    port: 2222\n    via: ops@bastion:2200\n"
        "    sudo: yes\n    identity: keys/id\n    password: env:PW\n    passphrase: keyring:plant\n"
        "    roles: [db, primary]\n    tags: linux\n    variables: {data: /srv}\n"
        "  here: {local: true, roles: app}\n",
    )
    assert (site.id, site.profile, site.roles) == (
        "plant",
        f"{tmp_path}/sub/erp.yaml",
        {"db": ("db", "primary"), "here": ("app",)},
    )
    assert plain(site.targets["db"]) == {
        "name": "db", "address": "db.example", "user": "deploy", "port": 2222, "via": "ops@bastion:2200",
        "sudo": True, "identity": f"{tmp_path}/keys/id", "password": "env:PW", "passphrase": "keyring:plant",
        "roles": ("db", "primary"), "tags": ("linux",),
    }  # fmt: skip
    assert plain(site.targets["here"]) == {"name": "here", "here": True, "roles": ("app",)}
    assert site.targets["db"].variables["data"].value == "/srv"


@pytest.mark.parametrize(
    "address", ["10.0.0.5", "db1", "db-1.plant.example", "::1", "[::1]", "fe80::1%eth0", "_srv.example", "5"]
)
def test_addresses(tmp_path: Path, address: str) -> None:
    site = loaded(tmp_path, HEAD + f"  a: {{address: '{address}'}}\n")
    (tmp_path / "empty").touch()
    assert Router(site.targets, tmp_path / "empty").route(site.targets["a"]).host == address.strip("[]")


@pytest.mark.parametrize(
    ("via", "name"),
    [
        ("b", "me@b:22"),
        ("u@b", "u@b:22"),
        ("u@b:7", "u@b:7"),
        ("[::1]:7", "me@::1:7"),
        ("u@[::1]", "u@::1:22"),
    ],
)
def test_jump_hosts_that_are_no_targets(tmp_path: Path, via: str, name: str) -> None:
    (tmp_path / "empty").write_text("Host *\n User me\n")
    site = loaded(tmp_path, HEAD + f"  a: {{address: a, via: '{via}'}}\n")
    (jump,) = Router(site.targets, tmp_path / "empty").route(site.targets["a"]).jumps
    assert f"{jump.user}@{jump.host}:{jump.port}" == name


def test_a_jump_host_of_ssh_config_is_a_target_where_that_is_over_ssh(tmp_path: Path) -> None:
    """A target that is this machine only shares its name with the host that ssh_config means."""
    (tmp_path / "config").write_text("Host a\n ProxyJump here\nHost b\n ProxyJump there\n")
    targets = (
        "  a: {address: a}\n  b: {address: b}\n  here: {local: true}\n  there: {address: 10.0.0.9, user: u}\n"
    )
    site = loaded(tmp_path, HEAD + targets)
    router = Router(site.targets, tmp_path / "config")
    assert [jump.host for jump in router.route(site.targets["a"]).jumps] == ["here"]
    assert [str(jump) for jump in router.route(site.targets["b"]).jumps] == ["ssh u@10.0.0.9:22"]


def test_defaults_and_their_taking_back(tmp_path: Path) -> None:
    site = loaded(
        tmp_path,
        "site: plant\ndefaults: {user: deploy, port: 2222, via: bastion, sudo: true, identity: id,\n"
        "  password: prompt}\n"
        "targets:\n  bastion: {address: b, via: null, sudo: false}\n  a: {address: a}\n"
        "  own: {address: o, user: me, port: 22, via: a}\n"
        "  bare: {address: c, user: null, port: ~, via: null, sudo: null, identity: null, password: null}\n"
        "  here: {local: true}\n",
    )
    common = {"user": "deploy", "port": 2222, "identity": f"{tmp_path}/id", "password": "prompt"}
    assert plain(site.targets["a"]) == {"name": "a", "address": "a", "via": "bastion", "sudo": True, **common}
    assert plain(site.targets["bastion"]) == {"name": "bastion", "address": "b", **common}
    own = {"name": "own", "address": "o", "via": "a", "sudo": True, "user": "me", "port": 22}
    assert plain(site.targets["own"]) == {**common, **own}
    assert plain(site.targets["bare"]) == {"name": "bare", "address": "c"}
    assert plain(site.targets["here"]) == {"name": "here", "here": True}


def test_a_site_of_this_machine_alone_needs_no_ssh(
    visit: SiteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "paramiko", None)
    visit.write_site("here: {local: true}")
    assert visit.check_here(monkeypatch).code == 0


def test_a_mistake_ends_the_program_with_one_line(visit: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    visit.write_site("a: {address: a, prt: 22}")
    for words in (("check", "--no-send"), ("plan",)):
        answer = visit.run_here(monkeypatch, *words, "-s", "site.yaml")
        assert (answer.code, answer.out) == (2, "")
        assert answer.err == "firstlight: site.yaml:4: a target has no key 'prt'; did you mean port?\n"
    with pytest.raises(BadInput):
        load_site(visit.folder / "absent.yaml")
