"""What lies in dist/ after ``make dist``: whole, checked, licensed, and without a trace of who built it."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from standalone_build import ROOT, Shipped

from agent.build import Build
from checks import __version__
from standalone.archive import pack
from standalone.binaries import needed_glibc

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_wheel_sdist_folder_archive_and_checksum_are_there(shipped: Shipped) -> None:
    assert sorted(path.name for path in shipped.made.iterdir()) == [
        f"firstlight-{__version__}",
        shipped.archive.name,
        f"{shipped.archive.name}.sha256",
        f"firstlight-{__version__}-py3-none-any.whl",
        f"firstlight-{__version__}.tar.gz",
    ]
    assert re.fullmatch(rf"firstlight-{re.escape(__version__)}-linux-\w+\.tar\.gz", shipped.archive.name)


def test_the_checksum_is_one_that_sha256sum_checks(shipped: Shipped) -> None:
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", f"{shipped.archive.name}.sha256"],
        cwd=shipped.made,
        capture_output=True,
        text=True,
    )
    assert checked.stdout == f"{shipped.archive.name}: OK\n"


def test_the_archive_unpacks_into_one_folder_that_root_owns(shipped: Shipped) -> None:
    with tarfile.open(shipped.archive) as tar:
        members = tar.getmembers()
    top = f"firstlight-{__version__}"
    assert {member.name.partition("/")[0] for member in members} == {top}
    assert {(member.uid, member.gid) for member in members} == {(0, 0)}
    assert [member.name for member in members if not member.issym() and member.mode & 0o022] == []
    modes = {member.name: member.mode for member in members}
    assert (modes[top], modes[f"{top}/firstlight"], modes[f"{top}/BUILD.json"]) == (0o755, 0o755, 0o644)
    assert [
        member.name for member in members if member.issym() and member.linkname.startswith(("/", "../.."))
    ] == []


def test_neither_the_collector_nor_tools_of_the_builder_are_inside(shipped: Shipped) -> None:
    inside = {path.name for path in (shipped.folder / "_internal").iterdir()}
    unwanted = {
        "server",
        "tests",
        "litestar",
        "alembic",
        "uvicorn",
        "pytest",
        "hypothesis",
        "pip",
        "setuptools",
    }
    assert inside & unwanted == set()
    assert {"agent", "checks", "reports", "psycopg", "pymysql", "sqlalchemy", "tzdata", "certifi"} <= inside


def test_every_module_of_the_wheel_but_the_collectors_is_inside(shipped: Shipped) -> None:
    (wheel,) = shipped.made.glob("*.whl")
    with zipfile.ZipFile(wheel) as held:
        names = [Path(name) for name in held.namelist()]
    ours = [path for path in names if path.parts[0] in ("agent", "checks", "reports")]
    inside = shipped.folder / "_internal"
    missing = [
        str(path)
        for path in ours
        if path.name != "__main__.py"  # python -m has no meaning here
        if not (inside / path).with_suffix(".pyc" if path.suffix == ".py" else path.suffix).is_file()
    ]
    assert len(ours) > 300
    assert missing == []


def test_the_build_says_what_it_is(shipped: Shipped) -> None:
    build = msgspec.json.decode((shipped.folder / "BUILD.json").read_bytes(), type=Build, strict=True)
    assert (build.version, build.kind) == (__version__, "standalone")
    assert build.python == ".".join(map(str, sys.version_info[:3]))
    assert datetime.fromisoformat(build.built).utcoffset() == timedelta(0)
    assert f"-{build.platform}.tar.gz" in shipped.archive.name
    assert build.glibc == needed_glibc(shipped.folder)
    assert tuple(map(int, build.glibc.split("."))) >= (2, 17)
    names = {component.name for component in build.components}
    assert {"Python", "PyInstaller bootloader", "cryptography", "psycopg-binary", "firstlight"} <= names
    assert {"pip", "pytest", "litestar"} & names == set()


def test_every_component_has_a_version_a_licence_and_its_text(shipped: Shipped) -> None:
    build = msgspec.json.decode((shipped.folder / "BUILD.json").read_bytes(), type=Build)
    assert [component.name for component in build.components if not component.version] == []
    assert [component.name for component in build.components if component.licence == "not stated"] == []
    text = (shipped.folder / "LICENSES.txt").read_text()
    chapters = dict(
        re.findall(r"={100}\n(\S[^\n]*)\nLicence: [^=]*={100}\n\n(.*?)(?=\n={100}\n|\Z)", text, re.S)
    )
    assert sorted(chapters) == sorted(f"{each.name} {each.version}" for each in build.components)
    silent = [name for name, words in chapters.items() if len(words) < 200]
    assert silent == [f"firstlight {__version__}"]


def test_no_folder_of_the_builder_is_named_in_any_file(shipped: Shipped) -> None:
    places = {str(ROOT), sys.prefix, sys.base_prefix} - {"/", "/usr", "/usr/local"}
    found = [
        (str(path.relative_to(shipped.folder)), place)
        for path in shipped.folder.rglob("*")
        if path.is_file()
        for place in places
        if place.encode() in path.read_bytes()
    ]
    assert found == []


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    for copy, order in (("a", ("one", "two")), ("b", ("two", "one"))):
        folder = tmp_path / copy / "thing"
        folder.mkdir(parents=True)
        for name in order:
            (folder / name).write_text(name)
            (folder / name).chmod(0o600)
    checksums = {
        pack(tmp_path / copy / "thing", tmp_path / copy / "thing.tar.gz", 1_760_000_000) for copy in "ab"
    }
    assert len(checksums) == 1


def test_the_wheel_runs_in_an_environment_of_its_own(shipped: Shipped, tmp_path: Path) -> None:
    """Its dependencies are lent by ours: what is tried is that nothing of ours is missing from the wheel."""
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    (site,) = home.glob("lib/python*/site-packages")
    (wheel,) = shipped.made.glob("*.whl")
    install = [
        "--quiet",
        "--no-deps",
        "--no-index",
        "--disable-pip-version-check",
        "--no-warn-script-location",
    ]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(home / "bin/python"), "install", *install, str(wheel)],
        check=True,
        cwd=tmp_path,
    )
    (site / "lent.pth").write_text(next(path for path in sys.path if path.endswith("site-packages")) + "\n")
    program, plain = (
        str(home / "bin/firstlight"),
        {"PATH": "/usr/bin:/bin", "FIRSTLIGHT_STATE": str(tmp_path / "s")},
    )

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *words], cwd=tmp_path, env=plain, capture_output=True, text=True)

    assert run("--version").stdout == f"firstlight {__version__}\n"
    told = run("--version", "-v")
    assert told.stdout.splitlines()[1] == f"build      an environment of Python packages in {home}"
    checked = run("check", "linux-server", "--no-send", "--fail-on", "never", "-o", "r.html")
    assert checked.returncode in (0, 3), checked.stderr
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert run("server", "init", "--help").returncode == 0
