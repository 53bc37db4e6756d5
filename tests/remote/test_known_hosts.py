"""known_hosts files read as OpenSSH reads them: its own ssh-keygen says what a file knows of a host."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest
import services
from ssh_site import new_key

from agent.targets import hostkeys
from checks.errors import BadInput

HOSTS = (
    "db1.plant.example", "db2.plant.example", "app.plant.example", "other.example", "10.0.0.5", "10.0.0.55",
    "::1", "[::1]:2222", "[10.0.0.5]:2222", "[db1.plant.example]:2222", "DB1.plant.example", "[app]:22",
    "app",
)  # fmt: skip

NAMES = (
    "db1.plant.example", "db1.plant.example,10.0.0.5", "DB1.Plant.Example", "*.plant.example",
    "*.plant.example,!db1.plant.example", "!db1.plant.example,*.plant.example", "!*", "*",
    "db?.plant.example", "10.0.0.?", "10.0.0.?*", "[10.0.0.5]:2222", "[*.plant.example]:2222", "[*]:2222",
    "[::1]:2222", "::1", "[db1.plant.example]:22", "app,", ",app", "a[p]p",
)  # fmt: skip


def keygen(*words: str) -> subprocess.CompletedProcess[str]:
    program = services.program("ssh-keygen", "openssh-client")
    return subprocess.run([program, *words], capture_output=True, text=True)


def found_by_keygen(file: Path, host: str) -> set[str]:
    """The keys that ``ssh-keygen -F`` finds; ssh itself makes names small before it looks."""
    said = keygen("-F", host.lower(), "-f", str(file)).stdout.splitlines()
    return {line.split()[-1] for line in said if line and not line.startswith("#")}


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Public keys, one for every line of a file."""
    folder = tmp_path_factory.mktemp("keys")
    lines = (new_key(folder / f"key{at}").with_suffix(".pub").read_text() for at in range(len(NAMES)))
    return [" ".join(line.split()[:2]) for line in lines]


def known(file: Path, host: str) -> set[str]:
    keys = hostkeys.known([str(file)], host).keys
    return {key for of_kind in keys.values() for key in of_kind}


@pytest.mark.parametrize("hashed", [False, True], ids=["plain", "hashed"])
def test_names_mean_what_they_mean_to_openssh(tmp_path: Path, public: list[str], hashed: bool) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("".join(f"{names} {key}\n" for names, key in zip(NAMES, public, strict=True)))
    if hashed:
        assert keygen("-H", "-f", str(file)).returncode == 0
        assert file.read_text().count("|1|") > 5
    for host in HOSTS:
        assert known(file, host) == found_by_keygen(file, host), host


def test_lines_that_are_none_are_passed_over(tmp_path: Path, public: list[str]) -> None:
    kind, key = public[0].split()
    file = tmp_path / "known_hosts"
    lines = [
        "", "# db " + public[1], "db", "db ssh-ed25519", "db ssh-ed25519 AAAA", "db ssh-ed25519 %%%%",
        f"db ssh-rsa {key}", f"|1|nonsense {public[2]}", f"|1|a|b {public[3]}", "\x00\xff",
        f"  db   {kind}\t{key}   a comment of words",
    ]  # fmt: skip
    file.write_bytes("\n".join(lines).encode("latin-1"))
    found = hostkeys.known([str(file)], "db")
    assert found.keys == {kind: (key,)}
    assert found.fingerprints == f"{kind} {hostkeys.fingerprint(key)}"


def test_the_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    for kind in ("ed25519", "rsa", "ecdsa"):
        public = new_key(tmp_path / kind, kind).with_suffix(".pub")
        printed = keygen("-l", "-f", str(public)).stdout.split()[1]
        assert hostkeys.fingerprint(public.read_text().split()[1]) == printed


def test_a_revoked_key_is_accepted_under_no_name(tmp_path: Path, public: list[str]) -> None:
    kind, key = public[0].split()
    file = tmp_path / "known_hosts"
    file.write_text(f"db {public[0]}\n@revoked * {public[0]}\n")
    found = hostkeys.known([str(file)], "db")
    assert not found.accepts(kind, key)
    assert "revoked" in hostkeys.refusal(found, "db", kind, key, "firstlight trust db")


def test_an_authority_vouches_for_no_plain_key(tmp_path: Path, public: list[str]) -> None:
    kind, key = public[0].split()
    file = tmp_path / "known_hosts"
    file.write_text(f"@cert-authority *.example {public[0]}\n")
    found = hostkeys.known([str(file)], "db.example")
    assert found.keys == {}
    said = hostkeys.refusal(found, "db.example", kind, key, "firstlight trust db")
    assert "not known (certificates of its authority are trusted, which are not checked here)" in said


def test_several_files_are_one(tmp_path: Path, public: list[str]) -> None:
    files = [tmp_path / "a", tmp_path / "b", tmp_path / "absent", tmp_path / "a" / "below a file"]
    files[0].write_text(f"db {public[0]}\n")
    files[1].write_text(f"db {public[1]}\nother {public[2]}\n")
    found = hostkeys.known([str(file) for file in files], "db")
    kind = public[0].split()[0]
    assert found.keys == {kind: (public[0].split()[1], public[1].split()[1])}
    assert found.files == (str(files[0]), str(files[1]))
    assert found.unread == ()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, public: list[str]) -> None:
    kind, key = public[0].split()
    found = hostkeys.known([str(tmp_path)], "db")
    assert found.unread == (f"{tmp_path}: Is a directory",)
    said = hostkeys.refusal(found, "db", kind, key, "firstlight trust db")
    assert f"not known ({tmp_path}: Is a directory): {kind} SHA256:" in said


def test_a_change_is_seen_at_once(tmp_path: Path, public: list[str]) -> None:
    file = tmp_path / "known_hosts"
    for line in (f"db {public[0]}\n", f"db {public[1]}\n", ""):
        file.write_text(line)
        assert known(file, "db") == set(line.split()[2:])


@pytest.mark.parametrize("name", ["db.example", "[db.example]:2222", "::1"])
def test_what_is_learnt_is_found_by_openssh(tmp_path: Path, public: list[str], name: str) -> None:
    kind, key = public[0].split()
    file = tmp_path / "new" / "known_hosts"
    after = hostkeys.learn([str(file)], str(file), name, kind, key)
    assert after.accepts(kind, key)
    assert found_by_keygen(file, name) == {key}
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_line_that_does_not_end_is_not_spoilt(tmp_path: Path, public: list[str]) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"a {public[0]}")
    hostkeys.learn([str(file)], str(file), "b", *public[1].split())
    assert file.read_text() == f"a {public[0]}\nb {public[1]}\n"


def test_many_who_learn_at_once_write_one_key(tmp_path: Path, public: list[str]) -> None:
    """Two connections that see different keys of a host are not both right."""
    file = tmp_path / "known_hosts"
    accepted = []

    def learn(line: str) -> None:
        kind, key = line.split()
        if hostkeys.learn([str(file)], str(file), "db", kind, key).accepts(kind, key):
            accepted.append(line)

    threads = [threading.Thread(target=learn, args=[public[at % 2]]) for at in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read_text() == f"db {accepted[0]}\n"
    assert accepted == [accepted[0]] * 10


def test_a_key_that_cannot_be_kept_is_loud(tmp_path: Path, public: list[str]) -> None:
    kind, key = public[0].split()
    with pytest.raises(BadInput, match="Is a directory"):
        hostkeys.learn([str(tmp_path)], str(tmp_path), "db", kind, key)
    with pytest.raises(BadInput, match="names no UserKnownHostsFile"):
        hostkeys.learn([], "", "db", kind, key)
    assert hostkeys.learn(["/dev/null"], "/dev/null", "db", kind, key).keys == {}


def test_the_removal_that_is_named_removes(
    tmp_path: Path, public: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    usual, other = tmp_path / ".ssh" / "known_hosts", tmp_path / "other hosts"
    for file in (usual, other):
        hostkeys.learn([str(file)], str(file), "[db.example]:2222", *public[0].split())
        command = hostkeys.removal(hostkeys.known([str(file)], "[db.example]:2222"), "[db.example]:2222")
        assert ("-f" in command) is (file == other)
        # OpenSSH looks the home up in the list of accounts, not in $HOME.
        where = "" if file == other else f" -f {usual}"
        subprocess.run(["sh", "-c", command + where], check=True, capture_output=True)
        assert known(file, "[db.example]:2222") == set()
