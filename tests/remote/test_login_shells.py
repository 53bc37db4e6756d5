"""Whatever the login shell is and says, and whatever `sh` is, the readings are the same.

Login shells are those of accounts. Another `sh` stands first in the PATH that the server gives its sessions;
the script then sets its own. What is read is compared with what this machine gives anybody without a shell.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import services
from far_side import (
    Command,
    cause,
    commands,
    eventually,
    read,
    read_at,
    running,
    somebody_at,
    target_at,
    tool_folder,
    value,
)
from local_reader import read_as
from parity_samples import make_world, samples, standing
from ssh_accounts import SHELLS, Account, account
from sshd import Sshd, start_sshd

from agent.targets import session
from checks.fact import Fact, Reading, Unavailable
from checks.facts.files import FileStat

POLITE = [name for name in SHELLS if name not in ("nologin", "sh")]
AS_SH = {"dash": "dash", "bash": "bash", "busybox": "busybox", "ksh93": "ksh93u+m", "mksh": "mksh"}

# What imitates frames, headers and the greeting, on both channels and without an end of line.
NOISE = """\
echo '0123456789abcdef0123456789abcdef go'
echo; echo "deadbeef go"; echo; echo '==> /etc/passwd <=='; printf '\\n0 0 end\\n\\n0 f\\n'
echo 'sh: cannot read: Permission denied' 1>&2
printf 'no end of line'
"""
NOISY: Mapping[str, Mapping[str, str]] = {
    "bash": {".bashrc": NOISE, ".profile": NOISE},
    "dash": {".profile": NOISE, ".ssh/rc": NOISE.replace("\n", " >&2\n")},
    "ksh93": {".profile": NOISE, ".kshrc": NOISE},
    "tcsh": {".cshrc": NOISE.replace("1>&2", ""), ".tcshrc": NOISE.replace("1>&2", ""), ".login": NOISE},
    "csh": {".cshrc": NOISE.replace("1>&2", "")},
    "fish": {".config/fish/config.fish": NOISE},
}
FLOOD = "head -c 3000000 /dev/zero | tr '\\0' 'x' {to}; echo {to}; yes noise | head -c 3000000 {to}\n"

Anybody = tuple[dict[str, Fact], dict[Fact, Reading]]


@pytest.fixture(scope="module")
def anybody() -> Iterator[Anybody]:
    """The samples, and what this machine gives of them to one who owns none of it."""
    with account() as owner, make_world(owner) as world:
        facts = samples(world)
        yield facts, read_as("nobody", list(facts.values()))


def same(anybody: Anybody, there: dict[Fact, Reading]) -> bool:
    facts, here = anybody
    differing = {
        name: (here[fact], there[fact])
        for name, fact in facts.items()
        if standing(here[fact]) != standing(there[fact])
    }
    assert not differing
    return True


@pytest.mark.parametrize("shell", POLITE)
def test_every_login_shell_reads_the_same(anybody: Anybody, ssh_server: Sshd, shell: str) -> None:
    with somebody_at(ssh_server, shell) as somebody:
        assert same(anybody, read_at(ssh_server, anybody[0].values(), somebody.name))


@pytest.mark.parametrize("shell", NOISY)
def test_noise_of_dotfiles_is_no_answer(anybody: Anybody, ssh_server: Sshd, shell: str) -> None:
    with somebody_at(ssh_server, shell, rc=NOISY[shell]) as somebody:
        heard = subprocess.run(
            [*ssh_server.ssh(user=somebody.name), "true"], capture_output=True, text=True, check=False
        )
        quiet = shell == "ksh93"  # it reads its files only where somebody types
        assert quiet or heard.stdout + heard.stderr != ""
        assert same(anybody, read_at(ssh_server, anybody[0].values(), somebody.name))


@pytest.mark.parametrize("to", ["", "1>&2"], ids=["stdout", "stderr"])
def test_megabytes_of_noise_are_no_answer(anybody: Anybody, ssh_server: Sshd, to: str) -> None:
    with somebody_at(ssh_server, "bash", rc={".bashrc": FLOOD.replace("{to}", to)}) as somebody:
        assert same(anybody, read_at(ssh_server, anybody[0].values(), somebody.name))


def test_noise_on_standard_error_that_never_ends_stops_nothing(anybody: Anybody, ssh_server: Sshd) -> None:
    # A process that ends between two looks is told by a complaint, which such a flood carries away.
    facts = {name: fact for name, fact in anybody[0].items() if name != "ProcessLimits of listeners"}
    with somebody_at(ssh_server, "bash", rc={".bashrc": "yes noise 1>&2 &\n"}) as somebody:
        with target_at(ssh_server, somebody.name) as target:
            assert same((facts, anybody[1]), read(target, facts.values()))
            assert "yes noise" in commands(somebody)
        eventually("it ends with its connection", lambda: running(somebody) == [])


@pytest.mark.parametrize("shell", AS_SH)
def test_every_sh_reads_the_same(anybody: Anybody, tmp_path: Path, open_folder: Path, shell: str) -> None:
    program = services.program(shell, AS_SH[shell])
    tools = tool_folder(open_folder / "tools", sh=program)
    options = {"SetEnv": f"PATH={tools}:/usr/bin:/bin"}
    with (
        start_sshd(tmp_path, options=options) as server,
        somebody_at(server, "bash") as somebody,
        target_at(server, somebody.name) as target,
    ):
        assert same(anybody, read(target, anybody[0].values()))
        assert programs_named_sh(somebody) == {str(Path(program).resolve())}


def programs_named_sh(somebody: Account) -> set[str]:
    """What the shells are that run now; one may end while it is looked at."""
    found = set()
    for process in running(somebody):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == "sh":
                found.add(process.exe())
    return found


@pytest.mark.parametrize("shell", AS_SH)
def test_every_sh_ends_what_hangs_and_goes_on(
    tmp_path: Path, open_folder: Path, shell: str, short: int
) -> None:
    """One after the other, with something that answers between them and after them."""
    tools = tool_folder(open_folder / "tools", sh=services.program(shell, AS_SH[shell]))
    hanging = [Command(("sh", "-c", f"(sleep 60{at} &); exec sleep 60{at}")) for at in "12"]
    answering = [Command(("echo", "between")), Command(("echo", "after"))]
    facts = [hanging[0], answering[0], hanging[1], answering[1]]
    with (
        start_sshd(tmp_path, options={"SetEnv": f"PATH={tools}:/usr/bin:/bin"}) as server,
        somebody_at(server, "bash") as somebody,
        target_at(server, somebody.name) as target,
    ):
        readings = read(target, facts)
        assert {cause(readings[fact]) for fact in hanging} == {"timeout"}
        assert [value(readings[fact]).out for fact in answering] == [b"between\n", b"after\n"]
        assert not [each for each in commands(somebody) if "sleep 60" in each]


def test_nologin_has_no_shell(ssh_server: Sshd) -> None:
    with somebody_at(ssh_server, "nologin") as somebody:
        reading = read_at(ssh_server, [FileStat("/etc/passwd")], somebody.name)[FileStat("/etc/passwd")]
        assert cause(reading) == "no-shell"
        assert "This account is currently not available" in str(reading)


def test_what_ends_before_it_is_asked_is_cited_all_the_same(
    ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = session.Session.ask

    def late(self: session.Session, *asks: Any, **how: Any) -> session.Round:
        eventually("it has hung up", lambda: self._channel.closed)
        return ask(self, *asks, **how)

    monkeypatch.setattr(session.Session, "ask", late)
    with somebody_at(ssh_server, "nologin") as somebody:
        reading = read_at(ssh_server, [FileStat("/etc/passwd")], somebody.name)[FileStat("/etc/passwd")]
    assert cause(reading) == "no-shell"
    assert "This account is currently not available" in str(reading)


@pytest.mark.parametrize(
    "answer",
    {
        "a menu": "echo 'Welcome! Choose 1 or 2:'; read -r x; echo 'wrong choice'",
        "an echo": "exec cat",
        "silence": "exec sleep 600",
        "nothing": "exit 3",
        "binary": "head -c 100000 /dev/urandom",
    }.items(),
    ids=lambda pair: pair[0],
)
def test_what_is_no_shell_is_told_apart(
    ssh_server: Sshd, somebody: Account, answer: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CONNECT_S", 1.0)
    script = somebody.write("answer", f"#!/bin/sh\n{answer[1]}\n")
    script.chmod(0o755)
    keys = somebody.home / ".ssh/authorized_keys"
    keys.write_text(f'command="{script}" {ssh_server.public_key}\n')
    with target_at(ssh_server, somebody.name) as target:
        reading = read(target, [FileStat("/etc/passwd")])[FileStat("/etc/passwd")]
        assert isinstance(reading, Unavailable)
        assert reading.cause == "no-shell", reading
        assert target.lost == reading


def test_the_machine_has_the_shells_that_matter() -> None:
    """Skips above say what is not here; that all of them are skipped may not be."""
    assert any(shutil.which(shell) for shell in ("bash", "dash", "busybox"))
