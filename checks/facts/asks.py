"""What a fact may ask of a machine: the few kinds of question that have two faces, here and over a shell.

A fact declares its asks before anything is read, so that they can be printed, approved, batched into one
script and enforced. An ask may be a template: ``<pid of nginx>`` stands for what only another reading tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from checks.facts.dial import Dialer

_GAP: Final = re.compile(r"<[^<>]*>")
_GAPS: Final = (("<pid ", r"[1-9][0-9]{0,9}"), ("<", r"[^\0\n]{1,4096}"))
"""What a gap may stand for, by how it begins; the first that fits."""

_GAPPED_WORD: Final = re.compile(r"(?:[^\s<>]|<[^<>\s/][^<>]*>)*")
"""A word of a command that has gaps. A shell's text has ``<`` and ``>`` too, and blanks outside of them."""


class Ask(msgspec.Struct, frozen=True):
    """Base of all asks. Two equal asks have one answer."""

    def describe(self) -> str:
        """The command, file, query or destination, for the printed plan."""
        raise NotImplementedError


class ReadFile(Ask, frozen=True, tag="read"):
    """The bytes of a regular file, up to the reader's limit."""

    path: str

    def describe(self) -> str:
        return f"read {self.path}"


class StatPath(Ask, frozen=True, tag="stat"):
    """What a path is and whose, links followed."""

    path: str

    def describe(self) -> str:
        return f"stat {self.path}"


class StatFilesystem(Ask, frozen=True, tag="statvfs"):
    """The room on the filesystem that a path lies on."""

    path: str

    def describe(self) -> str:
        return f"statvfs {self.path}"


class HashFile(Ask, frozen=True, tag="hash"):
    """The SHA-256 of a regular file of any size."""

    path: str

    def describe(self) -> str:
        return f"SHA-256 of {self.path}"


class ListProcesses(Ask, frozen=True, tag="processes"):
    """Names and users of all processes."""

    def describe(self) -> str:
        return "read names and users of all processes (/proc/*/status)"


class ListListeners(Ask, frozen=True, tag="listeners"):
    """Which processes listen for TCP."""

    def describe(self) -> str:
        return "read who listens for TCP (ss, or /proc/net/tcp and tcp6; /proc/*/fd)"


class AskClock(Ask, frozen=True, tag="clock"):
    """How wrong the kernel says its clock may be."""

    def describe(self) -> str:
        return "ask the kernel about its clock (adjtimex or timedatectl, reading only)"


class ListFolder(Ask, frozen=True, tag="list"):
    """Names and types of what lies in a folder, not of what lies below."""

    path: str

    def describe(self) -> str:
        return f"list {self.path}"


class ReadFrom(Ask, frozen=True, tag="read-from"):
    """What a regular file holds from a byte on (counted from 0), up to the reader's limit."""

    path: str
    offset: int | str

    def describe(self) -> str:
        return f"read {self.path} from byte {self.offset}"


class CompareClocks(Ask, frozen=True, tag="compare-clocks"):
    """How far the machine's clock is from that of the agent."""

    def describe(self) -> str:
        return "compare the clock with the agent's (date)"


class Connect(Ask, frozen=True, tag="connect"):
    """A TCP connect, closed at once; `timeout` in seconds."""

    host: str
    port: int | str
    timeout: float | str = 5.0

    def describe(self) -> str:
        return f"connect to {self.host}:{self.port}/tcp"


class RunCommand(Ask, frozen=True, tag="run"):
    """A program's output, without a shell; `timeout` in seconds.

    `environment` are variables beside PATH and LC_ALL. What is secret is named (`checks.facts.named_secret`)
    and put in only when the program starts: `secret_environment` by variable, `secret_stdin` for its input.
    It starts only where one of the paths `if_there` is there and none of those of `unless_there`: what is
    asked in advance must not wake a tool whose machine this is not.
    """

    argv: tuple[str, ...]
    timeout: float = 4.0
    environment: tuple[tuple[str, str], ...] = ()
    secret_environment: tuple[tuple[str, str], ...] = ()
    secret_stdin: str = ""
    if_there: tuple[str, ...] = ()
    unless_there: tuple[str, ...] = ()

    def describe(self) -> str:
        import shlex

        given = [f"{name}={shlex.quote(value)}" for name, value in self.environment]
        given += [f"{name}=<{where}>" for name, where in self.secret_environment]
        fed = f", with <{self.secret_stdin}> on its standard input" if self.secret_stdin else ""
        where = f", where there is {' or '.join(self.if_there)}" if self.if_there else ""
        where += f", unless there is {' or '.join(self.unless_there)}" if self.unless_there else ""
        return f"run {' '.join([*given, shlex.join(self.argv)])}{fed}{where}"


class Talk(Ask, frozen=True):
    """Base of asks that hold a conversation over TCP: a request, a handshake, a query.

    A subclass stands beside the fact that asks it, and says how the conversation goes once; it is held from
    this machine or through a tunnel, whichever the `Dialer` opens.
    """

    @property
    def destination(self) -> tuple[str, int | str]:
        """Host and port, for the plan and for the people of the firewall."""
        raise NotImplementedError

    def talk(self, dialer: Dialer) -> object:
        """The answer. Raises `NotReadable` (of which `NotConnected` tells why no connection came about)."""
        raise NotImplementedError


class Recall(Ask, frozen=True, tag="recall"):
    """What earlier runs recorded of the fact with this id (`Fact.series`)."""

    fact: str

    def describe(self) -> str:
        return f"recall what earlier runs read of {self.fact}"


class RecallAnswer(Ask, frozen=True, tag="recall-answer"):
    """What somebody answered to a manual item."""

    item: str

    def describe(self) -> str:
        return f"look up the answer to {self.item}"


class RecallAccepted(Ask, frozen=True, tag="recall-accepted"):
    """What the fact with this id was when the state of the target was accepted."""

    fact: str

    def describe(self) -> str:
        return f"recall what was accepted of {self.fact}"


class RecallDeliveries(Ask, frozen=True, tag="recall-deliveries"):
    """When the agent on this machine last delivered a run, and what waits."""

    def describe(self) -> str:
        return "look up what this agent delivered, and what waits"


def path_of(ask: Ask) -> str:
    """The path that an ask is about; empty where it is about none."""
    about_paths = ReadFile | StatPath | StatFilesystem | HashFile | ListFolder | ReadFrom
    return ask.path if isinstance(ask, about_paths) else ""


def is_template(ask: Ask) -> bool:
    """Whether some of the ask is known only once other things were read."""
    return any(_GAP.search(text) for text in _texts(ask))


def covered(ask: Ask, allowed: Iterable[Ask]) -> bool:
    """Whether an ask is one of those allowed, or an instance of an allowed template."""
    return any(ask == each or _instance(ask, each) for each in allowed)


def _instance(ask: Ask, template: Ask) -> bool:
    if type(ask) is not type(template) or not is_template(template):
        return False
    return all(map(_fits, _fields(ask), _fields(template)))


def _fits(given: object, wanted: object) -> bool:
    if isinstance(wanted, str) and isinstance(given, str | int) and "<" in wanted:
        return _pattern(wanted).fullmatch(str(given)) is not None
    if isinstance(wanted, tuple) and isinstance(given, tuple):
        return len(given) == len(wanted) and all(map(_word_fits, given, wanted))
    return given == wanted


def _word_fits(given: object, wanted: object) -> bool:
    """As `_fits`, for the words of a command: most have no gap, whatever signs are in them."""
    if isinstance(wanted, str) and not _GAPPED_WORD.fullmatch(wanted):
        return given == wanted
    return _fits(given, wanted)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts, at = [], 0
    for gap in _GAP.finditer(template):
        form = next(form for start, form in _GAPS if gap[0].startswith(start))
        parts += [re.escape(template[at : gap.start()]), form]
        at = gap.end()
    return re.compile("".join([*parts, re.escape(template[at:])]))


def _fields(ask: Ask) -> tuple[object, ...]:
    return tuple(getattr(ask, name) for name in ask.__struct_fields__)


def _texts(ask: Ask) -> list[str]:
    fields = _fields(ask)
    words = [word for word in ask.argv if _GAPPED_WORD.fullmatch(word)] if isinstance(ask, RunCommand) else []
    return [field for field in (*fields, *words) if isinstance(field, str)]
