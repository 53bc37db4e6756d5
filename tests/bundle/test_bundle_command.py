"""`firstlight bundle` as its user meets it: looked at first, written when it is wanted, and nothing leaks."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import zipfile
from pathlib import Path

import msgspec
import pytest
from machine import firstlight
from ship_collector import TinyCollector

from agent.bundle.archive import packed
from agent.bundle.cleaning import without_keys
from agent.bundle.parts import NAME, Manifest, Part, within
from agent.paths import State
from checks.snapshot import decode

SECRET = "canary-7f3a-in-a-log"
PERSON = "ann.lee@example.com"
KEY = "MIIEpAIBAAKCAQEA7canarykeymaterial7canarykeymaterial7canaryke"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{KEY}\n{KEY}\n-----END RSA PRIVATE KEY-----\n"


@pytest.fixture
def site(machine: State, tmp_path: Path) -> Path:
    """A folder with a profile, a configuration and a log; the machine is enrolled, and was checked once."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_text(
        "".join(f"line {number} <script>alert(1)</script>\n" for number in range(400))
        + f"password={SECRET}\n{PEM}mail {PERSON}\n"
    )
    (tmp_path / "app.ini").write_text("[log]\nlevel = info\n")
    (tmp_path / "app.yaml").write_text(
        "profile: app\nversion: '1'\ntitle: App\nitems:\n"
        "  - {id: level, check: cfg.value, with: {"
        f"path: {tmp_path}/app.ini, key: log.level, value: info}}}}\n"
        "  - {id: upload, check: agent.upload}\n"
        f"logs:\n  - {{file: {tmp_path}/logs/*.log, lines: 100}}\n  - {{file: {tmp_path}/none.log}}\n"
    )
    done = firstlight("check", "./app.yaml", state=machine.root, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def bundle(site: Path, machine: State, *words: str) -> tuple[int, str, str]:
    nobody = subprocess.DEVNULL
    done = firstlight("bundle", "./app.yaml", *words, state=machine.root, cwd=site, stdin=nobody)
    return done.returncode, done.stdout, done.stderr


def parts(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_bundle_holds_what_an_engineer_wants_and_nothing_secret(
    site: Path, machine: State, collector: TinyCollector
) -> None:
    accepted = firstlight("baseline", "accept", "--by", "Ann", state=machine.root, cwd=site)
    assert accepted.returncode == 0, accepted.stderr
    (site / "app.ini").write_text("[log]\nlevel = debug\n")
    waits = list((machine.spool / "sent").iterdir())
    code, out, err = bundle(site, machine, "--yes", "-o", "b.zip")
    assert code == 0, err
    assert "wrote b.zip" in out
    found = parts(site / "b.zip")
    assert [*found] == [
        "accepted.json",
        "agent.txt",
        "bundle.json",
        "changes.txt",
        "index.html",
        "logs/001.txt",
        "plan.txt",
        "previous.json",
        "report.html",
        "report.json",
        "runs/000000000001.json",
        "snapshot.json",
    ]
    for name, data in found.items():
        for planted in (SECRET, PERSON, KEY):
            assert planted.encode() not in data, name
    identity = json.loads(machine.identity.read_text())
    private = (machine.root / identity["key_file"]).read_text().splitlines()[1]
    assert all(private.encode() not in data for data in found.values())
    log = found["logs/001.txt"].decode()
    assert "[redacted: a private key]" in log
    assert "line 399" in log
    assert "line 299 " not in log
    assert "level · " in found["changes.txt"].decode()
    assert "value: info → debug" in found["changes.txt"].decode()
    assert "last run arrived" in found["agent.txt"].decode()
    assert json.loads(found["runs/000000000001.json"])["sequence"] == 1
    snapshot = decode(found["snapshot.json"], "snapshot.json")
    assert [each.status.value for each in snapshot.recorded] == ["fail", "pass"]
    manifest = msgspec.json.decode(found["bundle.json"], type=Manifest)
    assert {each.name: each.size for each in manifest.parts if each.size} == {
        name: len(data) for name, data in found.items() if name not in ("index.html", "bundle.json")
    }
    # Nothing of it was remembered, spooled or sent.
    assert list((machine.spool / "sent").iterdir()) == waits
    assert list((machine.spool / "pending").iterdir()) == []
    assert len(collector.runs) == 1


def test_the_index_opens_anywhere_and_quotes_nothing_that_acts(site: Path, machine: State) -> None:
    assert bundle(site, machine, "--yes", "-o", "b.zip")[0] == 0
    found = parts(site / "b.zip")
    page = found["index.html"].decode()
    assert "<script" not in page.replace("&lt;script", "")
    assert "&lt;script&gt;alert(1)" in page
    assert re.findall(r'(?:src|href)="([a-z]+:|//)', page) == []
    assert not re.search(r"url\(|@import|<link|<img|<iframe", page)
    assert "default-src 'none'" in page
    links = re.findall(r'href="([^"#]+)"', page)
    assert set(links) <= set(found)
    assert set(found) - {"index.html", "bundle.json"} <= set(links)
    assert "none.log" in page


def test_it_is_shown_before_it_is_written_and_nobody_there_means_no(site: Path, machine: State) -> None:
    code, out, err = bundle(site, machine, "-o", "b.zip")
    assert code == 2
    assert "add --yes" in err
    assert not (site / "b.zip").exists()
    code, out, err = bundle(site, machine, "--dry-run", "-o", "b.zip")
    assert code == 0, err
    lines = out.splitlines()
    rows = {line.split()[0]: line for line in lines if line}
    assert "older lines left out" in rows["logs/001.txt"]
    assert "No such file" in rows["-"]
    assert any(re.fullmatch(r"[\d.]+ KiB in 11 files, [\d.]+ KiB packed", line) for line in lines), out
    assert any(line.startswith("replaced in 3 places") for line in lines)
    assert lines[-1] == "nothing was written (--dry-run)"
    assert not (site / "b.zip").exists()


def test_a_file_that_is_there_is_never_replaced_unasked_and_nobody_else_reads_it(
    site: Path, machine: State
) -> None:
    (site / "b.zip").write_text("mine")
    code, _, err = bundle(site, machine, "--yes", "-o", "b.zip")
    assert (code, "--force replaces it" in err) == (2, True)
    assert (site / "b.zip").read_text() == "mine"
    assert bundle(site, machine, "--yes", "--force", "-o", "b.zip")[0] == 0
    assert stat.S_IMODE((site / "b.zip").stat().st_mode) == 0o600
    (site / "link.zip").symlink_to(site / "elsewhere")
    assert bundle(site, machine, "--yes", "-o", "link.zip")[0] == 2
    code, _, err = bundle(site, machine, "--yes", "-o", "no/such/b.zip")
    assert (code, "there is no folder" in err) == (2, True)
    assert [path.name for path in site.iterdir() if path.name.endswith(".new")] == []


def test_a_small_bound_keeps_the_newest_and_says_what_is_missing(site: Path, machine: State) -> None:
    (site / "logs" / "app.log").write_text("".join(f"{number:07d} {'x' * 900}\n" for number in range(3000)))
    text = (site / "app.yaml").read_text().replace("lines: 100", "lines: 20000, size: 1 MiB")
    (site / "app.yaml").write_text(text)
    code, out, err = bundle(site, machine, "--yes", "--max-mb", "2", "-o", "b.zip")
    assert code == 0, err
    assert "older lines left out: the bundle is full" in out
    found = parts(site / "b.zip")
    assert sum(map(len, found.values())) <= 2_000_000
    log = found["logs/001.txt"].decode().splitlines()
    assert log[-1].startswith("0002999 ")
    assert log[0] == f"{3000 - len(log):07d} {'x' * 900}"
    assert "the bundle is full" in found["index.html"].decode()


def test_a_bundle_without_an_enrolment_is_a_bundle_too(site: Path, tmp_path: Path) -> None:
    other = State(tmp_path / "other")
    code, _, err = bundle(site, other, "--yes", "-o", "b.zip")
    assert code == 0, err
    assert "not enrolled" in parts(site / "b.zip")["agent.txt"].decode()


def test_a_wrong_profile_or_site_is_told_before_anything_is_read(site: Path, machine: State) -> None:
    (site / "app.yaml").write_text("profile: app\nitems: []\nlogs: [{file: relative.log}]\n")
    code, _, err = bundle(site, machine, "--yes")
    assert code == 2
    assert "app.yaml" in err
    assert "Traceback" not in err


def test_equal_parts_give_equal_bytes() -> None:
    some = [Part("b.txt", "b", b"b" * 100), Part("a.txt", "a", b"a"), Part("runs/1.json", "r", b"")]
    assert packed(some) == packed(reversed(some))


def test_no_name_comes_from_elsewhere() -> None:
    for name in (
        "../x.txt",
        "/x.txt",
        "a/b/c.txt",
        "logs/..txt",
        "x.exe",
        "a\\b.txt",
        "X.txt",
        "",
        "a.txt\n",
    ):
        assert NAME.fullmatch(name) is None, name
    with pytest.raises(AssertionError):
        packed([Part("../evil.txt", "", b"x")])


def test_what_is_heavy_goes_first_and_what_programs_read_is_never_cut() -> None:
    log = Part("logs/001.txt", "log", b"".join(b"%05d\n" % number for number in range(10_000)), weight=1)
    page = Part("snapshot.json", "readings", b"{" + b"x" * 30_000, weight=9)
    kept = {part.name: part for part in within([page, log], 50_000)}
    assert kept["snapshot.json"] == page
    assert kept["logs/001.txt"].data.endswith(b"09999\n")
    assert len(kept["logs/001.txt"].data) <= 20_000
    none = {part.name: part for part in within([page, log], 1000)}
    assert [part.data for part in none.values()] == [b"", b""]
    assert all("the bundle is full" in part.cut for part in none.values())


@pytest.mark.parametrize("before", ["", "2026-11-25T10:00:00+0000 web app[12]: "])
def test_a_private_key_never_leaves_in_pieces(before: str) -> None:
    lines = [before + line for line in ["start", *PEM.splitlines(), "end"]]
    assert without_keys(lines) == [before + "start", before + "[redacted: a private key]", before + "end"]
    cut = lines[3:]  # its begin fell to a bound
    assert without_keys(cut) == ["[redacted: a private key]", before + "end"]
    without_an_end = [*lines[:4], before + "end"]
    assert KEY not in "".join(without_keys(without_an_end))
    assert without_keys(without_an_end)[-1] == before + "end"
