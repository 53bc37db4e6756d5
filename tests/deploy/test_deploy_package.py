"""What is a standalone build, and where it can run."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.deploy.package import Built, Package, package, read
from agent.deploy.probe import Found, Place, checked, refuse_unfit
from checks.errors import BadInput

BUILT = b'{"version": "1.2", "glibc": "2.31", "platform": "linux-x86_64", "more": 1}'
HEALTHY = Found("Linux", "x86_64", "glibc 2.36", "", False, False, False, False, False, True, 10**9, ())


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return path


def test_a_package_is_known_by_its_version_and_checksum(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", {"fl/BUILD.json": BUILT, "fl/firstlight": b"x"})
    found = read(path)
    assert (found.folder, found.built) == ("fl", Built("1.2", "2.31", "linux-x86_64"))
    assert found.release == f"1.2-{found.digest[:12]}"


def test_a_checksum_beside_it_has_to_fit(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", {"fl/BUILD.json": BUILT, "fl/firstlight": b"x"})
    path.with_name("a.tar.gz.sha256").write_text(f"{'0' * 64}  a.tar.gz\n")
    with pytest.raises(BadInput, match=r"its checksum is not the one in a\.tar\.gz\.sha256"):
        read(path)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"fl/firstlight": b"x"}, "it has no firstlight and BUILD.json"),
        ({"fl/BUILD.json": BUILT}, "it has no firstlight and BUILD.json"),
        ({"fl/BUILD.json": b"[]", "fl/firstlight": b"x"}, "says nothing that can be used"),
        ({"fl/BUILD.json": b'{"version": "../../x"}', "fl/firstlight": b"x"}, "not a standalone build"),
        ({"other": b"", "fl/BUILD.json": BUILT, "fl/firstlight": b"x"}, "more than one folder"),
        ({"fl/../../etc/x": b"", "fl/BUILD.json": BUILT, "fl/firstlight": b"x"}, "more than one folder"),
        ({"$(reboot)/BUILD.json": BUILT, "$(reboot)/firstlight": b"x"}, "not a standalone build"),
    ],
)
def test_what_is_no_package_is_refused(tmp_path: Path, members: dict[str, bytes], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read(archive(tmp_path / "a.tar.gz", members))


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "a.tar.gz"
    path.write_bytes(data)
    with pytest.raises(BadInput, match="not a standalone build"):
        read(path)


def test_without_a_build_it_is_said_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="make dist"), package(None):
        pass


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kernel": "FreeBSD"}, "it runs FreeBSD"),
        ({"machine": "aarch64"}, "it is a aarch64, the build is for linux-x86_64"),
        ({"libc": "musl"}, "its C library is musl"),
        ({"libc": "glibc 2.28"}, "it has glibc 2.28, the build needs 2.31 or newer"),
        ({"missing": ("tar", "gzip")}, "it lacks tar, gzip"),
        ({"free_kb": 0}, "there are 0 MiB free"),
    ],
)
def test_a_machine_on_which_it_cannot_run_is_told_before_anything_is_copied(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(b"\0" * 2_000_000)
    build = Package(path, "0" * 64, "fl", Built("1.2", "2.31", "linux-x86_64"))
    refuse_unfit(HEALTHY, build)
    import dataclasses

    with pytest.raises(BadInput, match=words):
        refuse_unfit(dataclasses.replace(HEALTHY, **changes), build)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "option"),
    [
        (Place(prefix="/opt"), "--prefix"),
        (Place(prefix="/opt/a b"), "--prefix"),
        (Place(prefix="opt/firstlight"), "--prefix"),
        (Place(prefix="/opt/.."), "--prefix"),
        (Place(state="/var/lib/$(id)"), "--state"),
        (Place(state="/opt/firstlight/state"), "--state"),
        (Place(link="/usr/bin/'x"), "--link"),
        (Place(user="root"), "--user"),
        (Place(user="a;b"), "--user"),
    ],
)
def test_a_place_that_would_hurt_is_refused(place: Place, option: str) -> None:
    with pytest.raises(BadInput, match=option):
        checked(place)
    assert checked(Place()) == Place()
