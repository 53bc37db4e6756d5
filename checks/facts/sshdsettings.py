"""What sshd lets in, as its configuration says: the main file with what it includes, first value first."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile
from checks.facts.files import text_of
from checks.facts.formats.found import MISSING
from checks.facts.formats.included import Included, asks_of_includes

if TYPE_CHECKING:
    from checks.facts.host import Host

PATHS: Final = ("/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config")
"""Where sshd looks; the second on openSUSE, where the first is only for what somebody changed."""

DEFAULTS: Final = {
    "PermitRootLogin": "prohibit-password",
    "PasswordAuthentication": "yes",
    "PermitEmptyPasswords": "no",
    "KbdInteractiveAuthentication": "yes",
    "UsePAM": "no",
}
"""sshd_config(5), OpenSSH 7.0 and later."""

_OLD_NAMES: Final = {"KbdInteractiveAuthentication": "ChallengeResponseAuthentication"}
_FORMAT: Final = "sshd"


class SshdRules(msgspec.Struct, frozen=True):
    """The settings of `DEFAULTS` in force for everybody, in small letters, by name; `set` are those that
    somebody set. `conditional` are those that Match blocks of the main file set otherwise, as they stand
    there."""

    path: str
    values: dict[str, str]
    set: tuple[str, ...] = ()
    conditional: tuple[str, ...] = ()


@fact
class SshdSettings(Fact, frozen=True):
    """Who may log in over SSH, and how."""

    value_type: ClassVar[type] = SshdRules

    def describe(self) -> str:
        return f"read {PATHS[0]} and what it includes"

    def asks(self) -> tuple[Ask, ...]:
        return tuple(ask for path in PATHS for ask in (ReadFile(path), *asks_of_includes(_FORMAT, path, ())))

    def read(self, host: Host) -> SshdRules:
        for path in PATHS:
            try:
                text = text_of(path, host.read_bytes(path))
            except NotReadable as problem:
                if problem.cause != "absent":
                    raise
            else:
                return _rules(host, path, text, self.asks())
        raise NotReadable("there is no sshd_config", "absent")


def _rules(host: Host, path: str, text: str, asks: tuple[Ask, ...]) -> SshdRules:
    from checks.facts.formats.sshd import look_up

    values, given = dict(DEFAULTS), []
    for name in DEFAULTS:
        for key in (name, _OLD_NAMES.get(name, name)):
            found = look_up(text, key, path, Included(path, host, asks))
            if found is not MISSING:
                values[name] = str(found).strip().lower()[:100]
                given.append(name)
                break
    return SshdRules(path, values, tuple(given), conditional(text))


def conditional(text: str) -> tuple[str, ...]:
    """Lines of Match blocks that set one of these settings, with single blanks."""
    wanted = {name.lower() for name in (*DEFAULTS, *_OLD_NAMES.values())}
    found, inside = [], False
    for line in text.splitlines():
        words = line.replace("=", " ", 1).split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].lower() == "match":
            inside = True
        elif inside and words[0].lower() in wanted:
            found.append(" ".join(words)[:200])
    return tuple(found[:50])
