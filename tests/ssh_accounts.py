"""Accounts of this machine that live as long as a test: a shell, a password, sudo rights, noisy dotfiles.

Only root can make them, so these tests skip elsewhere. Two workers may make them at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import services

SHELLS: Mapping[str, tuple[str, str]] = {
    "sh": ("sh", "dash"),
    "dash": ("dash", "dash"),
    "bash": ("bash", "bash"),
    "ash": ("busybox", "busybox"),
    "ksh93": ("ksh93", "ksh93u+m"),
    "mksh": ("mksh", "mksh"),
    "csh": ("csh", "csh"),
    "tcsh": ("tcsh", "tcsh"),
    "fish": ("fish", "fish"),
    "nologin": ("nologin", "login"),
}
"""The login shells an account may name, each with its program and the Debian package of it."""

_LOCK = Path("/run/firstlight-test-accounts.lock")
_OURS = re.compile(r"flt(\d+)[a-z]+")


@dataclass(frozen=True)
class Account:
    """One account; `authorize` lets a key in, `write` puts a file into its home."""

    name: str
    uid: int
    gid: int
    home: Path
    shell: str
    password: str

    def authorize(self, public_key: str, options: str = "") -> None:
        """Add a line to ~/.ssh/authorized_keys."""
        folder = self.home / ".ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, self.uid, self.gid)
        path = folder / "authorized_keys"
        before = path.read_text() if path.exists() else ""
        self.write(".ssh/authorized_keys", before + f"{options} {public_key.strip()}\n".lstrip())

    def write(self, name: str, text: str) -> Path:
        """A file below the home that belongs to the account; the folders to it too."""
        path = self.home / name
        for folder in reversed(path.relative_to(self.home).parents[:-1]):
            (self.home / folder).mkdir(exist_ok=True)
            os.chown(self.home / folder, self.uid, self.gid)
        path.write_text(text)
        os.chown(path, self.uid, self.gid)
        return path


def need_root() -> None:
    """Skip with one line where accounts cannot be made."""
    if os.geteuid() != 0:
        pytest.skip("needs root: makes an account of this machine")


@contextlib.contextmanager
def account(
    shell: str = "/bin/sh", password: str = "", sudo: str = "", rc: Mapping[str, str] | None = None
) -> Iterator[Account]:
    """An account, removed with its home, its sudo rights and its processes at the end.

    `shell` is a name of SHELLS or a path. Without a password only a key gets in. `sudo` is text for
    sudoers(5) where {name} stands for the account, as in `{name} ALL=(root) NOPASSWD: /bin/sh -s`.
    `rc` are files for the home; it is empty otherwise, so that /etc/skel of the machine does not matter.
    """
    need_root()
    if sudo:
        services.program("visudo", "sudo")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flt-shell-")))
        folder.chmod(0o755)
        path = _shell(shell, folder)
        _sweep()
        with _locked():
            name = _free_name()
            (folder / "skel").mkdir()
            command = ["useradd", "--create-home", "--skel", str(folder / "skel"), "--shell", path]
            # "*" matches no password; useradd's own "!" locks the account, and sshd refuses its keys too.
            _run([*command, "--password", "*", name])
        stack.callback(_remove, name)
        entry = pwd.getpwnam(name)
        made = Account(name, entry.pw_uid, entry.pw_gid, Path(entry.pw_dir), path, password)
        if password:
            with _locked():
                _run(["chpasswd", "--crypt-method", "SHA512"], f"{name}:{password}\n")
        for file, text in (rc or {}).items():
            made.write(file, text)
        if sudo:
            _allow(name, sudo.replace("{name}", name))
        yield made


def _shell(shell: str, folder: Path) -> str:
    if "/" in shell:
        return shell
    found = services.program(*SHELLS[shell])
    if shell != "ash":
        return found
    # A login shell is one path without arguments, and busybox goes by the name it is called with.
    (folder / "ash").symlink_to(found)
    return str(folder / "ash")


def _allow(name: str, text: str) -> None:
    """Checked first, then there at once: sudo reads every file of the folder, but none with a dot in it."""
    draft = Path("/etc/sudoers.d") / f".{name}.draft"
    try:
        draft.touch(mode=0o440)
        draft.write_text(text.rstrip("\n") + "\n")
        draft.chmod(0o440)
        _run(["visudo", "-c", "-q", "-f", str(draft)])
        draft.rename(_sudoers(name))
    finally:
        draft.unlink(missing_ok=True)


def _sudoers(name: str) -> Path:
    return Path("/etc/sudoers.d") / name


def _remove(name: str) -> None:
    _sudoers(name).unlink(missing_ok=True)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return
    while running := _processes(entry.pw_uid):
        for process in running:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(running, timeout=5)
    with _locked():
        # It complains of a mail spool that was never there; what counts is looked at below.
        subprocess.run(["userdel", "--remove", "--force", name], capture_output=True)
    shutil.rmtree(entry.pw_dir, ignore_errors=True)
    assert name not in {other.pw_name for other in pwd.getpwall()}, f"{name} could not be removed"


def _processes(uid: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if uid in process.uids() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _free_name() -> str:
    """Unique by this process and a letter; the caller holds the lock."""
    taken = {entry.pw_name for entry in pwd.getpwall()}
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = (f"flt{os.getpid()}{first}{last}" for first in ["", *letters] for last in letters)
    return next(name for name in names if name not in taken)


def _sweep() -> None:
    """Remove what a killed test run left behind: sudo rights must not outlive it."""
    for entry in pwd.getpwall():
        ours = _OURS.fullmatch(entry.pw_name)
        if ours and not psutil.pid_exists(int(ours[1])):
            _remove(entry.pw_name)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """One worker at a time edits /etc/passwd: useradd gives up where it meets another."""
    with _LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str], text: str = "") -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
