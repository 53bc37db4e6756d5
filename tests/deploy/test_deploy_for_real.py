"""A machine without Firstlight gets it over a real sshd, keeps it current, and is rid of it again."""

from __future__ import annotations

import grp
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
from deploy_world import CRON, LOOKED_AT, Deployer, Said, there
from ssh_accounts import account

# The first of them waits for the standalone build.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_bare_machine_gets_program_account_identity_schedule_and_its_first_check(
    deployer: Deployer,
) -> None:
    before = names_of_everything()
    said = deployer.deploy()
    assert in_place(said), said.all
    entry = there(deployer.name)
    assert entry is not None
    assert entry.pw_shell.endswith(("nologin", "false"))
    assert shadow(deployer.name).startswith(("!", "*"))
    state = deployer.state.stat()
    assert (state.st_uid, stat.S_IMODE(state.st_mode)) == (entry.pw_uid, 0o700)
    assert foreign_files(deployer.state, entry.pw_uid) == []
    assert foreign_files(deployer.prefix, 0) == []
    assert writable_by_others(deployer.prefix) == []
    identity = json.loads((deployer.state / "identity.json").read_text())
    assert (identity["url"], identity["sites"]) == (deployer.collector.url, ["plant-a"])
    assert len(deployer.collector.arrived()) == 1
    assert "linux-server" in said.out
    assert f" {deployer.name} " in CRON.read_text()
    doctor = deployer.here("doctor")
    assert f"agent {identity['agent']} for plant-a" in doctor.out, doctor.all
    assert foreign_files(deployer.state, entry.pw_uid) == [], (
        "root used the program, and the files stay the agent's"
    )

    again = deployer.deploy()
    assert (again.code, again.out) == (0, ""), again.all
    assert f"nothing to do: {deployer.prefix.joinpath('current').readlink().name}" in again.err
    assert len(deployer.collector.arrived()) == 1
    assert json.loads((deployer.state / "identity.json").read_text()) == identity

    gone = deployer.run(deployer.host, "--remove", "--server", deployer.collector.url)
    assert gone.code == 0, gone.all
    assert f"revoked   {identity['agent']}" in gone.err
    assert there(deployer.name) is None
    assert deployer.name not in {group.gr_name for group in grp.getgrall()}
    assert names_of_everything() - before == set()
    assert deployer.run(deployer.host, "--remove").err.count("nothing was there") == 1


def test_a_configuration_is_in_place_before_the_machine_sends_its_name(deployer: Deployer) -> None:
    settings = deployer.folder / "site.toml"
    settings.write_text("# the site's rules\n[redact]\nmask = ['host']\n")
    said = deployer.deploy("--config", str(settings))
    assert in_place(said), said.all
    identity = json.loads((deployer.state / "identity.json").read_text())
    assert re.fullmatch(r"host-[0-9a-f]{8}", identity["target"])
    there_now = deployer.state / "config.toml"
    assert there_now.read_text().startswith(settings.read_text())
    assert (there_now.stat().st_uid, stat.S_IMODE(there_now.stat().st_mode)) == (
        deployer.state.stat().st_uid,
        0o600,
    )
    again = deployer.deploy("--config", str(settings))
    assert (again.code, again.out) == (0, ""), again.all
    settings.write_text("[redact]\nmask = ['nobody']\n")
    wrong = deployer.deploy("--config", str(settings))
    assert wrong.code == 2
    assert f"{settings}: Invalid enum value 'nobody'" in wrong.err


def test_root_changes_the_schedule_by_the_link_and_it_stays_the_agents(deployer: Deployer) -> None:
    assert in_place(deployer.deploy())
    assert f"{deployer.prefix}/current/firstlight agent --once" in CRON.read_text()
    assert deployer.here("install", "--every", "6h").code == 0
    assert (
        f" {deployer.name} FIRSTLIGHT_STATE={deployer.state} {deployer.prefix}/current/" in CRON.read_text()
    )
    assert foreign_files(deployer.state, deployer.state.stat().st_uid) == []
    elsewhere = subprocess.run(
        [deployer.link, "check", "-o", "report.html"], cwd="/root", capture_output=True, text=True, timeout=60
    )
    assert elsewhere.returncode == 3
    assert f"/root/report.html: Permission denied (this runs as {deployer.name})" in elsewhere.stderr


def test_another_build_takes_over_and_the_one_before_stays_to_go_back_to(deployer: Deployer) -> None:
    assert in_place(deployer.deploy())
    first = deployer.prefix.joinpath("current").readlink().name
    identity = (deployer.state / "identity.json").read_text()
    deployer.prefix.joinpath(".incoming-left").write_text("of a connection that was lost")
    for version in ("0.1.1", "0.1.2"):
        said = deployer.deploy("--package", str(rebuilt(deployer, version)))
        assert in_place(said), said.all
        assert f"firstlight {first} is there" in said.err or version == "0.1.2"
    kept = sorted(path.name.rpartition("-")[0] for path in (deployer.prefix / "releases").iterdir())
    assert kept == ["0.1.1", "0.1.2"]
    assert not deployer.prefix.joinpath(".incoming-left").exists()
    assert deployer.prefix.joinpath("current").readlink().name.startswith("0.1.2-")
    assert (deployer.state / "identity.json").read_text() == identity


def test_a_build_that_does_not_run_there_leaves_the_one_in_use_alone(deployer: Deployer) -> None:
    assert in_place(deployer.deploy())
    before = deployer.prefix.joinpath("current").readlink()
    said = deployer.deploy(
        "--package", str(toy(deployer.folder, "#!/bin/sh\necho no such library >&2; exit 127\n"))
    )
    assert said.code == 3
    assert "does not run here: no such library" in said.err
    assert deployer.prefix.joinpath("current").readlink() == before
    assert [path.name for path in deployer.prefix.iterdir() if path.name.startswith(".inc")] == []
    assert len(list((deployer.prefix / "releases").iterdir())) == 1


def test_sudo_is_used_where_the_login_is_not_roots(deployer: Deployer) -> None:
    with account(password="a word of its own", sudo="{name} ALL=(root) ALL") as somebody:
        somebody.authorize(deployer.server.public_key)
        refused = deployer.deploy(host=deployer.at(somebody.name))
        assert refused.code == 2
        assert "may not become root there without a password" in refused.err
        assert not deployer.prefix.exists()
        where = {"FL_SUDO": "a word of its own"}
        wrong = deployer.deploy(
            "--sudo-password", "env:FL_SUDO", host=deployer.at(somebody.name), environment={"FL_SUDO": "no"}
        )
        assert (wrong.code, "did not let" in wrong.err) == (2, True), wrong.all
        said = deployer.deploy(
            "--sudo-password", "env:FL_SUDO", host=deployer.at(somebody.name), environment=where
        )
        assert in_place(said), said.all
        assert len(deployer.collector.arrived()) == 1
        assert "a word of its own" not in said.all
    with account(sudo="{name} ALL=(root) NOPASSWD: ALL") as another:
        another.authorize(deployer.server.public_key)
        assert deployer.run(deployer.at(another.name), "--remove").code == 0
    assert there(deployer.name) is None


def test_runs_that_were_never_delivered_stand_in_the_way_of_a_removal(deployer: Deployer) -> None:
    assert in_place(deployer.deploy())
    deployer.collector.process.stop()
    assert "spooled" in deployer.here("check").err
    refused = deployer.run(deployer.host, "--remove", api=False)
    assert refused.code == 2
    assert "1 run there was never delivered" in refused.err
    assert there(deployer.name) is not None
    gone = deployer.run(deployer.host, "--remove", "--discard-runs", api=False)
    assert gone.code == 0, gone.all
    assert re.search(r"firstlight server agent revoke a-[0-9a-f]{16} --reason removed ", gone.err)
    assert not deployer.state.exists()


def test_one_token_from_standard_input_enrols_one_machine(deployer: Deployer) -> None:
    said = deployer.deploy("--token", "-", api=False, stdin=deployer.collector.token() + "\n")
    assert in_place(said), said.all
    assert len(deployer.collector.arrived()) == 1


def test_a_program_of_that_name_that_is_anothers_stays(deployer: Deployer) -> None:
    deployer.link.write_text("#!/bin/sh\necho mine\n")
    said = deployer.deploy()
    assert f"{deployer.link} is another program's and stays" in said.err
    deployer.run(deployer.host, "--remove")
    assert deployer.link.read_text() == "#!/bin/sh\necho mine\n"


def test_a_site_is_deployed_to_and_a_dead_host_does_not_keep_the_others(deployer: Deployer) -> None:
    site = deployer.folder / "site.yaml"
    here = f"{{address: 127.0.0.1, port: {deployer.server.port}, user: {deployer.server.user}}}"
    site.write_text(f"site: plant-a\ntargets:\n  dead: {{address: 127.0.0.1, port: 1}}\n  web-1: {here}\n")
    said = deployer.run(
        *("-s", str(site), "--server", deployer.collector.url, "--package", str(deployer.package)),
        *("--site", "plant-a"),
    )
    assert "!!        127.0.0.1:1: " in said.err, said.all
    assert "called web-1" in said.err
    assert said.code in (1, 3)
    assert len(deployer.collector.arrived()) == 1


def test_the_host_key_has_to_be_trusted_first(deployer: Deployer, tmp_path: Path) -> None:
    deployer.server.known_hosts.write_text("")
    try:
        said = deployer.deploy()
    finally:
        deployer.server.write_known_hosts()
    assert said.code == 3
    assert "firstlight trust" in said.err
    assert not deployer.prefix.exists()


# What a machine can look like afterwards


def in_place(said: Said) -> bool:
    """Whether it came as far as the first check; what that finds is the machine's matter."""
    return said.code in (0, 1, 3) and "ready     the first check of" in said.err


def names_of_everything() -> set[str]:
    """Every file of the places that a deployment touches, but for what other programs do meanwhile."""
    found = subprocess.run(
        ["find", *LOOKED_AT, "-xdev", "-iname", "*fld*", "-o", "-xdev", "-iname", "*firstlight*"],
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return {
        line for line in found if f"fld{os.getpid()}" in line or line.startswith(("/etc", "/opt", "/usr"))
    }


def foreign_files(folder: Path, owner: int) -> list[str]:
    return [str(path) for path in [folder, *folder.rglob("*")] if path.lstat().st_uid != owner]


def writable_by_others(folder: Path) -> list[str]:
    return [
        str(path)
        for path in [folder, *folder.rglob("*")]
        if not path.is_symlink() and path.stat().st_mode & 0o022
    ]


def shadow(name: str) -> str:
    line = next(line for line in Path("/etc/shadow").read_text().splitlines() if line.startswith(f"{name}:"))
    return line.split(":")[1]


def rebuilt(deployer: Deployer, version: str) -> Path:
    """The same build under another version."""
    place = deployer.folder / version
    with tarfile.open(deployer.package) as archive:
        archive.extractall(place, filter="tar")
    (folder,) = place.iterdir()
    built = json.loads((folder / "BUILD.json").read_text()) | {"version": version}
    (folder / "BUILD.json").write_text(json.dumps(built))
    path = deployer.folder / f"firstlight-{version}-linux-x.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for each in [folder / "BUILD.json", folder / "firstlight", folder]:
            archive.add(each, f"{folder.name}/{each.relative_to(folder)}".rstrip("./"))
    shutil.rmtree(place)
    return path


def toy(folder: Path, program: str) -> Path:
    """A package whose program is a few lines of shell."""
    place = folder / "toy" / "firstlight-9"
    place.mkdir(parents=True)
    (place / "BUILD.json").write_text('{"version": "9"}')
    (place / "firstlight").write_text(program)
    (place / "firstlight").chmod(0o755)
    path = folder / "toy.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(place, place.name)
    return path
