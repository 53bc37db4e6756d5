"""What `firstlight --version -v` says, and where a part that an extra brings is said to come from."""

from __future__ import annotations

import sys
from email.message import Message
from importlib.metadata import distribution
from pathlib import Path

import msgspec
import pytest

from agent import build
from agent.build import Build, Component, described, licence_of, this_build
from agent.cli import main
from agent.commands import overview
from checks import __version__, extras
from checks.errors import FirstlightError

MADE = Build(
    version="1.2.3",
    kind="standalone",
    commit="0123456789ab",
    built="2026-11-25T19:00:07+00:00",
    python="3.11.7",
    platform="linux-x86_64",
    glibc="2.17",
    built_on="glibc 2.36",
    components=(Component("click", "8.5.1", "BSD-3-Clause"), Component("libssl3", "3.0.19", "Apache-2.0")),
)


def metadata(**fields: str | list[str]) -> Message:
    made = Message()
    for name, value in fields.items():
        for each in [value] if isinstance(value, str) else value:
            made[name.replace("_", "-")] = each
    return made


def answer(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(args)
    out, err = capsys.readouterr()
    return stop.value.code, out, err


@pytest.fixture
def frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what takes itself for a standalone build."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "firstlight"))
    return tmp_path


@pytest.mark.parametrize("args", [("--version", "-v"), ("-v", "--version"), ("--version", "--verbose")])
def test_an_environment_lists_what_is_installed_in_it(
    args: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = answer(capsys, *args)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[:2] == [
        f"firstlight {__version__}",
        f"build      an environment of Python packages in {sys.prefix}",
    ]
    click = distribution("click")
    assert ["click", click.version, "BSD-3-Clause"] in [line.split() for line in lines]


def test_the_version_alone_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "--version") == (0, f"firstlight {__version__}\n", "")
    code, out, err = answer(capsys, "-v")
    assert (code, out) == (2, "")
    assert err == "firstlight: -v goes with --version: firstlight --version -v (see firstlight --help)\n"


def test_a_standalone_build_reads_what_was_written_when_it_was_made(frozen: Path) -> None:
    (frozen / "BUILD.json").write_bytes(msgspec.json.encode(MADE))
    assert this_build() == MADE
    text = described(MADE)
    assert text.startswith(
        "firstlight 1.2.3\n"
        "build      standalone, of commit 0123456789ab, made 2026-11-25 19:00 UTC on glibc 2.36\n"
        "python     3.11.7\n"
        "platform   linux-x86_64, runs from glibc 2.17 on"
    )
    assert f"\nlicences   {frozen}/LICENSES.txt\n" in text
    assert text.endswith(
        "\nComponents, each with its version and licence:\n"
        "  click    8.5.1   BSD-3-Clause\n"
        "  libssl3  3.0.19  Apache-2.0\n"
    )


@pytest.mark.parametrize("spoilt", [b"", b"{", b'{"version": 1}', b"[]", b"\xff\xfe", b"9" * 10_000])
def test_a_spoilt_description_is_told_in_one_line(
    spoilt: bytes, frozen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (frozen / "BUILD.json").write_bytes(spoilt)
    code, out, err = answer(capsys, "--version", "-v")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert err.startswith(f"firstlight: {frozen}/BUILD.json: ")
    assert err.endswith("; unpack the whole archive again\n")
    with pytest.raises(FirstlightError):
        this_build()


def test_a_commit_that_nobody_told_is_not_made_up() -> None:
    assert "of a commit not told" in described(msgspec.structs.replace(MADE, commit=""))


def test_the_commit_that_pip_installed_from_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class FromGit:
        def read_text(self, name: str) -> str:
            assert name == "direct_url.json"
            return '{"url": "https://git.example/fl", "vcs_info": {"vcs": "git", "commit_id": "4f0c5d1"}}'

    monkeypatch.setattr("importlib.metadata.distribution", lambda name: FromGit())
    told = build.this_build()
    assert told.commit == "4f0c5d1"
    assert described(told).splitlines()[1].endswith(f"in {sys.prefix}, installed from commit 4f0c5d1")


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License_Expression": "MIT OR Apache-2.0", "License": "other"}, "MIT OR Apache-2.0"),
        ({"License": "BSD-3-Clause"}, "BSD-3-Clause"),
        ({"License": "MIT License\n\nCopyright (c) somebody\n" + "x" * 500}, "not stated"),
        (
            {"Classifier": ["License :: OSI Approved :: MIT License", "Programming Language :: Python"]},
            "MIT License",
        ),
        (
            {"Classifier": ["License :: OSI Approved :: MIT License", "License :: OSI Approved :: Zope"]},
            "MIT License or Zope",
        ),
        ({}, "not stated"),
    ],
)
def test_a_licence_is_what_the_metadata_states(fields: dict[str, str | list[str]], licence: str) -> None:
    assert licence_of(metadata(**fields)) == licence  # type: ignore[arg-type]


def test_the_overview_of_a_standalone_build_leaves_the_collector_out(frozen: Path) -> None:
    assert "\n  server " not in overview()
    assert "\n  check " in overview()


def test_what_is_missing_is_said_to_come_from_where_it_can_come_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert extras.remedy("oracle") == "pip install 'firstlight[oracle]'"
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert extras.remedy("oracle") == (
        "the standalone build does not hold it, an environment with pip install 'firstlight[oracle]' does"
    )
