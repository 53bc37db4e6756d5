"""ssh_config(5): parsed by paramiko, with the Includes that it leaves out and one clear line for a mistake.

What the words mean for a connection is `agent.targets.route`'s business.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agent.targets.lean import import_paramiko
from checks.errors import BadInput

if TYPE_CHECKING:
    from paramiko import SSHConfig

USER_CONFIG: Final = "~/.ssh/config"
SYSTEM_CONFIG: Final = "/etc/ssh/ssh_config"
MAX_DEPTH: Final = 16
"""How deep Includes nest in OpenSSH, too."""

_WORD: Final = re.compile(r"\s*(\w+)(?:\s*=\s*|\s+)(.+?)\s*$")
_EVERY_HOST: Final = re.compile(r"host\s+\*|match\s+all", re.IGNORECASE)
_ALONE: Final = ("all", "canonical", "final")
_WITH_PATTERN: Final = ("host", "originalhost", "user", "localuser", "exec")


class HostWords(msgspec.Struct, frozen=True):
    """What ssh_config says of one host; what it does not say is empty or None.

    `identities`, `known_hosts` and `system_known_hosts` are as written, tokens and tildes included; None for
    a word that is not there, so that its default applies. `jumps` are those of ProxyJump, `command` says
    that there is a ProxyCommand in its place.
    """

    host: str
    port: int | None = None
    user: str = ""
    alias: str = ""
    identities: tuple[str, ...] | None = None
    identities_only: bool = False
    known_hosts: tuple[str, ...] | None = None
    system_known_hosts: tuple[str, ...] | None = None
    jumps: tuple[str, ...] = ()
    command: bool = False


class SshConfig:
    """The files as one; `where` names them in messages."""

    def __init__(self, where: str, config: SSHConfig | None) -> None:
        self.where, self._config = where, config

    def lookup(self, host: str) -> HostWords:
        """What is said of a host by the name it is asked for. Raises `BadInput`."""
        if self._config is None:
            return HostWords(host)
        try:
            found = dict(self._config.lookup(host))
        except Exception as problem:  # a parser's border: Match exec, canonical names, …
            raise BadInput(f"{self.where}: cannot be applied to {host}: {problem}") from problem
        proxy = next((word for word in found if word in ("proxyjump", "proxycommand")), "")
        jump = str(found["proxyjump"]) if proxy == "proxyjump" else "none"
        return HostWords(
            str(found.get("hostname", host)),
            self._port(found.get("port"), host),
            str(found.get("user", "")),
            str(found.get("hostkeyalias", "")),
            tuple(map(str, found["identityfile"])) if "identityfile" in found else None,
            str(found.get("identitiesonly", "no")).lower() == "yes",
            self._files(found.get("userknownhostsfile")),
            self._files(found.get("globalknownhostsfile")),
            tuple(hop.strip() for hop in jump.split(",")) if jump.lower() != "none" else (),
            proxy == "proxycommand" and found["proxycommand"] is not None,
        )

    def _port(self, text: Any, host: str) -> int | None:
        if text is None:
            return None
        if not str(text).isdecimal() or not 0 < int(text) < 65536:
            raise BadInput(f"{self.where}: Port {text!s:.60} of {host} is no port from 1 to 65535")
        return int(text)

    def _files(self, text: Any) -> tuple[str, ...] | None:
        if text is None:
            return None
        try:
            return tuple(shlex.split(str(text)))
        except ValueError as problem:
            raise BadInput(f"{self.where}: {text!s:.100}: {problem}") from problem


def load_config(file: Path | None) -> SshConfig:
    """That file alone, else the user's and the system's, of which the first value of a word counts.

    Raises `BadInput` naming the file.
    """
    if file is not None:
        texts = {file: _read(file, Path("~/.ssh").expanduser(), must=True)}
    else:
        user, system = Path(USER_CONFIG).expanduser(), Path(SYSTEM_CONFIG)
        texts = {path: _read(path, path.parent) for path in (user, system)}
    where = " or ".join(str(path) for path, text in texts.items() if text.strip())
    if not where:
        return SshConfig("ssh_config", None)
    import_paramiko()
    for path, text in texts.items():
        _parsed(text, str(path))
    return SshConfig(where, _parsed("\n".join(f"{text}\nHost *" for text in texts.values()), where))


def _read(path: Path, folder: Path, depth: int = 0, *, must: bool = False) -> str:
    """The text of a file with what it includes in place, relative names taken from `folder`."""
    if depth > MAX_DEPTH:
        raise BadInput(f"{path}: Includes nest more than {MAX_DEPTH} deep")
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError as problem:
        if must:
            raise BadInput(f"{path}: {problem.strerror}; -F takes an ssh_config file") from problem
        return ""
    except OSError as problem:
        raise BadInput(f"{path}: {problem.strerror}; it should be an ssh_config file") from problem
    lines: list[str] = []
    block = ""
    for line in text.splitlines():
        word = _WORD.match(line)
        keyword = word[1].lower() if word else ""
        if word is None or keyword != "include":
            block = line.strip() if keyword in ("host", "match") else block
            lines.append(_match(path, word[2]) if word and keyword == "match" else line)
            continue
        for each in _included(path, word[2], folder):
            inner = _read(each, folder, depth + 1)
            lines.append(inner)
            if not _has(inner, "host", "") and not _has(inner, "match", ""):
                continue
            if block and not _EVERY_HOST.fullmatch(block):
                raise BadInput(
                    f"{path}: {each} is included below {block!r:.60} and has Host or Match lines of its own; "
                    "that is not understood here, include it at the top"
                )
            lines.append("Host *")
    return "\n".join(lines)


def _included(path: Path, names: str, folder: Path) -> Iterator[Path]:
    try:
        listed = shlex.split(names)
    except ValueError as problem:
        raise BadInput(f"{path}: Include {names:.100}: {problem}") from problem
    for name in listed:
        pattern = folder / Path(os.path.expandvars(name)).expanduser()
        yield from map(Path, sorted(glob.glob(str(pattern))))  # noqa: PTH207  # an absolute pattern


def _match(path: Path, text: str) -> str:
    """A Match line as paramiko wants it: it takes what it does not know, capitals included, for a match."""
    try:
        words = shlex.split(text)
    except ValueError as problem:
        raise BadInput(f"{path}: Match {text:.100}: {problem}") from problem
    made = ["Match"]
    while words:
        criterion = words.pop(0).lower()
        made.append(criterion)
        name = criterion.removeprefix("!")
        if name in _WITH_PATTERN and words:
            made.append(words.pop(0))
        elif name not in _ALONE:
            raise BadInput(f"{path}: Match {text:.100}: {name!r:.60} is not understood here")
    return shlex.join(made)


class _Shell:
    """What paramiko asks for ``Match exec``, which is otherwise the package invoke: as ssh does it."""

    def __init__(self, ok: bool) -> None:
        self.ok = ok

    @classmethod
    def run(cls, command: str, **_: object) -> _Shell:
        words = [os.environ.get("SHELL") or "/bin/sh", "-c", command]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
        return cls(done.returncode == 0)


def _parsed(text: str, where: str) -> SSHConfig:
    from paramiko import SSHConfig, config

    config.invoke = _Shell  # type: ignore[attr-defined]

    class Config(SSHConfig):
        """Looks for tokens only where there are some: that may ask the resolver for this machine's name."""

        def _tokenize(self, config: Any, target_hostname: str, key: str, value: str) -> str:
            if key in ("identityfile", "proxycommand") or "%" not in value:
                return value
            return str(super()._tokenize(config, target_hostname, key, value))  # type: ignore[misc]

    try:
        return Config.from_text(text)
    except Exception as problem:  # the parser raises what it likes
        raise BadInput(f"{where}: not an ssh_config: {problem!s:.200}") from problem


def _has(text: str, keyword: str, rest: str) -> bool:
    words = filter(None, map(_WORD.match, text.splitlines()))
    return any(word[1].lower() == keyword and rest in word[2].lower() for word in words)
