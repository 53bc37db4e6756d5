"""Lists of packages as dpkg-query printed them here, and as rpm's and apk's documentation state them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from answering import read, recorded, said
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts import child
from checks.facts.asks import ReadFile, ReadFrom, StatPath
from checks.facts.host import FILE_LIMIT
from checks.facts.localhost import LocalHost
from checks.facts.packages import DPKG, RPM, Installed, Package, parse_apk, parse_list, parse_status
from checks.facts.pathinfo import Stat

THERE = Stat(0o100644, 0, 0, 1, 0)
DEBIAN = {StatPath("/var/lib/dpkg/status"): THERE, DPKG: said(recorded("dpkg/list"))}
REDHAT = {StatPath("/var/lib/rpm"): THERE, RPM: said(recorded("rpm/list"))}
ALPINE = {ReadFile("/lib/apk/db/installed"): recorded("apk/installed")}


@pytest.mark.parametrize(
    ("name", "versions"),
    [
        ("bash", ("5.2.15-2+b8",)),
        ("openssh-server", ("1:9.2p1-2+deb12u10",)),
        ("libc6", ("2.36-9+deb12u10", "2.36-9+deb12u14")),
        ("libc6:i386", ("2.36-9+deb12u10",)),
        ("oldconf", ()),  # removed; only its configuration stayed
        ("half", ()),
        ("nosuch", ()),
    ],
)
def test_dpkg_tells_what_is_installed(name: str, versions: tuple[str, ...]) -> None:
    assert read(Package(name), DEBIAN) == Installed("dpkg", versions)


def test_without_its_tools_the_database_of_dpkg_tells_the_same() -> None:
    status = (
        "Package: bash\nEssential: yes\nStatus: install ok installed\nArchitecture: amd64\n"
        "Version: 5.2.15-2+b8\nDescription: a shell\n Package: of a line that goes on\n\n"
        "Package: oldconf\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1.2-3\n\n"
    )
    bare = {StatPath("/var/lib/dpkg/status"): THERE, ReadFrom("/var/lib/dpkg/status", 0): status.encode()}
    assert read(Package("bash"), bare) == Installed("dpkg", ("5.2.15-2+b8",))
    assert read(Package("bash:amd64"), bare).versions == ("5.2.15-2+b8",)
    assert read(Package("oldconf"), bare).versions == ()
    if Path("/var/lib/dpkg/status").exists():
        listed = subprocess.run(DPKG.argv, capture_output=True, check=True).stdout
        assert parse_status(Path("/var/lib/dpkg/status").read_bytes()) == parse_list(listed)


def test_rpm_tells_what_is_installed_without_an_epoch_of_0() -> None:
    assert read(Package("bash"), REDHAT) == Installed("rpm", ("5.1.8-9.el9",))
    assert read(Package("openssl"), REDHAT) == Installed("rpm", ("1:3.0.7-27.el9",))
    assert read(Package("kernel"), REDHAT).versions == ("5.14.0-362.8.1.el9_3", "5.14.0-427.13.1.el9_4")
    assert read(Package("nosuch"), REDHAT).versions == ()


def test_apk_tells_what_is_installed() -> None:
    assert read(Package("musl"), ALPINE) == Installed("apk", ("1.2.4-r2",))
    assert read(Package("busybox:x86_64"), ALPINE) == Installed("apk", ("1.36.1-r15",))
    assert read(Package("bash"), ALPINE) == Installed("apk")


def test_a_list_that_could_not_be_had_is_no_empty_one() -> None:
    with pytest.raises(NotReadable, match="dpkg-query: error: broken"):
        read(Package("bash"), DEBIAN | {DPKG: said(b"", 2, b"dpkg-query: error: broken")})
    with pytest.raises(NotReadable) as problem:
        read(Package("bash"), {})
    assert problem.value.cause == "unsupported"


def test_the_list_of_this_machine_has_what_dpkg_says_of_one_package() -> None:
    try:
        one = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", "bash"], capture_output=True, check=True
        )
    except FileNotFoundError:
        pytest.skip("no dpkg here")
    assert Package("bash").read(LocalHost()).versions == (one.stdout.decode(),)


STATUS = (
    "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2.15-2+b8\n\n"
    "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u14\n\n"
    "Status: install ok installed\nPackage: libc6\nArchitecture: i386\nVersion: 0:2.36-9+deb12u10\n\n"
    "Package: oldconf\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1.2-3\n"
)


@pytest.fixture
def debian(tmp_path: Path) -> Path:
    """The root of a machine with dpkg's database, and in ``tools`` a dpkg-query that says something else."""
    (tmp_path / "var/lib/dpkg/updates").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "dpkg-query").write_text("#!/bin/sh\nprintf 'bash\\t6.0-1\\tamd64\\tinstalled\\n'\n")
    (tools / "dpkg-query").chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "versions"),
    [
        ("bash", ("5.2.15-2+b8",)),
        ("bash:amd64", ("5.2.15-2+b8",)),
        ("bash:i386", ()),
        ("libc6", ("2.36-9+deb12u10", "2.36-9+deb12u14")),
        ("libc6:i386", ("2.36-9+deb12u10",)),
        ("oldconf", ()),
        ("nosuch", ()),
        ("ß\udc80", ()),
    ],
)
def test_on_the_machine_itself_the_database_of_dpkg_is_looked_at(
    debian: Path, name: str, versions: tuple[str, ...]
) -> None:
    assert Package(name).read(LocalHost(str(debian), tools=str(debian / "tools"))) == Installed(
        "dpkg", versions
    )


def test_while_dpkg_is_at_work_it_is_asked_itself(debian: Path) -> None:
    (debian / "var/lib/dpkg/updates/tmp.i").touch()
    assert Package("bash").read(LocalHost(str(debian), tools=str(debian / "tools"))).versions == (
        "5.2.15-2+b8",
    )
    (debian / "var/lib/dpkg/updates/0001").touch()
    assert Package("bash").read(LocalHost(str(debian), tools=str(debian / "tools"))).versions == ("6.0-1",)


def test_a_database_longer_than_one_read_is_left_to_dpkg(debian: Path) -> None:
    with (debian / "var/lib/dpkg/status").open("a") as file:
        file.write("\n" + "Package: long\nDescription: x\n\n" * (FILE_LIMIT // 30))
    assert Package("bash").read(LocalHost(str(debian), tools=str(debian / "tools"))).versions == ("6.0-1",)


def test_however_many_packages_are_looked_for_the_list_is_read_once(debian: Path) -> None:
    host = LocalHost(str(debian))
    assert Package("bash").read(host).versions == ("5.2.15-2+b8",)
    (debian / "var/lib/dpkg/status").unlink()
    assert Package("libc6:i386").read(host).versions == ("2.36-9+deb12u10",)


def test_however_many_packages_are_looked_for_dpkg_is_asked_once(
    debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    run = child.run
    monkeypatch.setattr(
        child, "run", lambda argv, *rest, **more: made.append(argv) or run(argv, *rest, **more)
    )
    (debian / "var/lib/dpkg/updates/0001").touch()
    host = LocalHost(str(debian), tools=str(debian / "tools"))
    for name in ("bash", "dash", "nosuch"):
        Package(name).read(host)
    assert len(made) == 1


def test_the_database_of_this_machine_says_of_every_package_what_dpkg_says() -> None:
    if not Path("/var/lib/dpkg/status").exists():
        pytest.skip("no dpkg here")
    listed = parse_list(subprocess.run(DPKG.argv, capture_output=True, check=True).stdout)
    host = LocalHost()
    assert listed
    assert {name: Package(name).read(host).versions for name in listed} == listed


@given(st.binary(max_size=2000))
def test_whatever_the_list_is_it_is_read(data: bytes) -> None:
    for found in (parse_list(data), parse_apk(data), parse_status(data)):
        assert all(isinstance(versions, tuple) and versions for versions in found.values())
