"""What hosts can be asked that no fact of its own stands for: folders, the rest of a file, what is given to a
program, what is remembered."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from checks.fact import Fact
from checks.facts.answers import ManualAnswer
from checks.facts.asks import Ask, ListFolder, ReadFrom, Recall, RecallAccepted, RecallAnswer, RunCommand
from checks.facts.content import AcceptedContent
from checks.facts.deliveries import AgentDeliveries
from checks.facts.logtails import FileTail, JournalTail, KernelTail

if TYPE_CHECKING:
    from checks.facts.host import Host

ODD = [
    "-n",
    "two\nlines",
    " blanks ",
    "启动",
    "back\\slash\\n",
    "*",
    ".hidden",
    "..two",
    "$(id)",
    "caf\udce9",
]


class Folder(Fact, frozen=True):
    value_type: ClassVar[Any] = list[list[str]]
    path: str

    def describe(self) -> str:
        return f"list {self.path}"

    def asks(self) -> tuple[Ask, ...]:
        return (ListFolder(self.path),)

    def read(self, host: Host) -> list[tuple[str, str]]:
        return [(entry.name, entry.type) for entry in host.list_folder(self.path)]


class Rest(Fact, frozen=True):
    value_type: ClassVar[Any] = str
    path: str
    offset: int

    def describe(self) -> str:
        return f"read {self.path} from {self.offset}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFrom(self.path, "<where it ended last time>"),)

    def read(self, host: Host) -> bytes:
        return host.read_from(self.path, self.offset)


class Given(Fact, frozen=True):
    """What a program finds in its environment and on its standard input."""

    value_type: ClassVar[Any] = tuple
    argv: tuple[str, ...]
    secret: str = ""
    at: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    def describe(self) -> str:
        return self._ask().describe()

    def asks(self) -> tuple[Ask, ...]:
        return (self._ask(),)

    def read(self, host: Host) -> tuple[int, bytes, bytes]:
        done = host.execute(self._ask())
        lines = sorted(line for line in done.out.splitlines() if not line.startswith(b"_="))
        return done.status, b"\n".join(lines), done.err

    def _ask(self) -> RunCommand:
        secret = (("FL_SECRET", self.secret),) if self.secret else ()
        plain = (("FL_PLAIN", "it's $plain"),)
        return RunCommand(self.argv, 4.0, plain, secret, self.secret, self.at, self.unless)


class Remembered(Fact, frozen=True):
    value_type: ClassVar[Any] = tuple

    def describe(self) -> str:
        return "recall"

    def asks(self) -> tuple[Ask, ...]:
        return (Recall("x"), RecallAnswer("y"), RecallAccepted("z"))

    def read(self, host: Host) -> tuple[object, ...]:
        return host.recall("x"), host.answer("y"), host.accepted("z")


def samples(world: Any) -> dict[str, Fact]:
    folder = world.folder
    return {
        "Folder of odd names": Folder(f"{folder}/listing"),
        "Folder with a slash": Folder(f"{folder}/listing/"),
        "Folder that is empty": Folder(f"{folder}/listing/empty"),
        "Folder that is a file": Folder(f"{folder}/line"),
        "Folder that is a file that may not be read": Folder(f"{folder}/secret"),
        "Folder that is not there": Folder(f"{folder}/nowhere"),
        "Folder that is closed": Folder(f"{folder}/closed"),
        "Folder that can be entered only": Folder(f"{folder}/entered"),
        "Folder by a relative path": Folder("etc"),
        "Rest of a file": Rest(f"{folder}/line", 4),
        "Rest of a file from its start": Rest(f"{folder}/line", 0),
        "Rest behind the end": Rest(f"{folder}/line", 1000),
        "Rest of a binary file": Rest(f"{folder}/binary", 3),
        "Rest of a folder": Rest(f"{folder}/directory", 0),
        "Rest of nothing": Rest(f"{folder}/nowhere", 0),
        "Rest of what may not be read": Rest(f"{folder}/secret", 2),
        "Given to a program": Given(("env",)),
        "Given to a program with a secret": Given(("env",), "env:PATH"),
        "Given where it is at home": Given(("env",), at=("/nowhere", f"{folder}/line")),
        "Given where it is a guest": Given(("env",), unless=(f"{folder}/line",)),
        "Given where it is neither": Given(("env",), at=("/nowhere",)),
        "Given on standard input": Given(("cat",), "env:PATH"),
        "Given a secret that is not there": Given(("cat",), "env:FL_NO_SUCH_SECRET"),
        "Remembered": Remembered(),
        "ManualAnswer": ManualAnswer("backup.drill"),
        "AgentDeliveries": AgentDeliveries(),
        "FileTail": FileTail(f"{folder}/line", 1, 1024),
        "FileTail of a pattern": FileTail(f"{folder}/listing/*", 10, 1024, 3, 86400.0),
        "FileTail cut in the middle": FileTail(f"{folder}/line", 10, 5),
        "FileTail of nothing": FileTail(f"{folder}/nowhere", 10, 1024),
        "FileTail of a pattern that nothing fits": FileTail(f"{folder}/*.nothing", 10, 1024),
        "FileTail of what may not be read": FileTail(f"{folder}/secret", 10, 1024),
        "JournalTail": JournalTail("no-such.service", "err", 10, 1024, 60.0),
        "KernelTail": KernelTail("emerg", 5, 4096),
        "AcceptedContent": AcceptedContent("/etc/app.conf", "auto", "pool"),
    }


def make(folder: Path, stack: contextlib.ExitStack) -> None:
    del stack
    listing = folder / "listing"
    listing.mkdir()
    for name in ODD:
        (listing / name).write_text("x")
    (listing / "empty").mkdir()
    (listing / "leads nowhere").symlink_to("nowhere")
    (listing / "leads to a folder").symlink_to("empty")
