"""A new check to begin with: its file and its cases, which hold as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from checks import registry
from checks.errors import BadInput, FirstlightError
from checks.index import BUILT_IN

_ID = re.compile(r"[a-z][a-z0-9]*\.[a-z][a-z0-9_]*")


def write_check(id: str, folder: Path, *, as_yaml: bool) -> list[Path]:
    """Write the check into a folder, which is made where it is not there; gives the files.

    Raises `BadInput` for an id that cannot be, or where one of the files is there already.
    """
    if not _ID.fullmatch(id) or len(id) > 100:
        raise BadInput(f"{id!r:.100} is no id for a check; write area.thing, such as acme.seats")
    if id in BUILT_IN or id in registry.known():
        raise BadInput(f"there is a check {id} already; take an id of your own, such as acme.seats")
    name = id.replace(".", "_")
    values = {"@id": id, "@name": name, "@thing": id.partition(".")[2], "@Fact": _class_name(name)}
    files = {folder / f"{id}.yaml": YAML} if as_yaml else {}
    if not as_yaml:
        files = {folder / f"{name}.py": PYTHON, folder / "cases" / f"{id}.yaml": CASES}
    for path in files:
        if path.exists() or path.is_symlink():
            raise BadInput(f"{path}: is there already; nothing was written")
    try:
        for path, text in files.items():
            _make_folder(path.parent)
            with path.open("x", encoding="utf-8") as file:
                file.write(_filled(text, values))
            path.chmod(path.stat().st_mode & ~0o022)
    except OSError as problem:
        raise FirstlightError(f"{problem.filename or folder}: not written: {problem.strerror}") from problem
    return [*files]


def _make_folder(folder: Path) -> None:
    """Make a folder, and those above it, that others may not write: else its checks would be refused."""
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir()
        folder.chmod(folder.stat().st_mode & ~0o022)


def _class_name(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "File"


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"@[A-Za-z]+", lambda found: values.get(found[0], found[0]), text)


PYTHON: Final = '''"""The check @id."""

from __future__ import annotations

from typing import Any, ClassVar

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile
from checks.facts.host import Host
from checks.model import Severity, Verdict
from checks.registry import check
from checks.verdicts import fail, msg, passed


@fact
class @Fact(Fact, frozen=True):
    """The number in the first line of a file."""

    value_type: ClassVar[Any] = int
    path: str

    def describe(self) -> str:
        return f"read the number in {self.path}"

    def asks(self) -> tuple[Ask, ...]:
        # All that reading may touch; so the plan can show it, and it works over SSH as it does here.
        return (ReadFile(self.path),)

    def read(self, host: Host) -> int:
        first = host.read_text(self.path).partition("\\n")[0].strip()
        if not first.isdecimal() or len(first) > 15:
            raise NotReadable(f"the first line of {self.path} is no number", "parse")
        return int(first)


@check("@id", severity=Severity.P2, about="path", owner="vendor", count=@Fact("{path}"))
def @name(count: int, path: str = "/opt/acme/@thing", at_least: int = 1) -> Verdict:
    """There are enough of them.

    Say here what is judged, why it matters, and what the parameters mean.

    Remedy: say what to do about {path}, as a command that can be pasted.
    Source: say where the default of `at_least` comes from.
    """
    evidence = {"count": count}
    if count >= at_least:
        return passed(msg("there are {count}", count=count), evidence=evidence)
    said = msg("there are {count}, {wanted} are needed", count=count, wanted=at_least)
    return fail(said, cause="low", evidence=evidence)
'''

CASES: Final = """enough pass:
  with: {path: /opt/acme/@thing, at_least: 2}
  readings: {"@Fact(path=/opt/acme/@thing)": 3}
  expect: [{object: /opt/acme/@thing, status: pass, message: there are 3}]
too few fail:
  readings: {"@Fact(path=/opt/acme/@thing)": 0}
  expect: [{object: /opt/acme/@thing, status: fail, cause: low}]
unread is an error:
  readings: {"@Fact(path=/opt/acme/@thing)": {unavailable: permission denied, cause: denied}}
  expect: [{object: /opt/acme/@thing, status: error, cause: denied}]
"""

YAML: Final = """check: @id
title: There are enough of them
doc: |
  Say here what is judged, why it matters, and what the parameters mean.
remedy: say what to do about {path}, as a command that can be pasted
source: say where the default of `at_least` comes from
severity: P2
owner: vendor

parameters:
  path: {type: text, default: /opt/acme/@thing.ini}
  at_least: {type: whole number, default: 1}

facts:
  setting: {ConfigValue: {path: "{path}", format: ini, key: @thing.count}}

# The first rule that holds decides.
rules:
  - when: not setting.found
    then: fail
    cause: missing
    say: "the number is not set"
  - when: setting.value >= at_least
    then: pass
    say: "there are {setting.value}"
otherwise:
  then: fail
  cause: low
  say: "there are {setting.value}, {at_least} are needed"

cases:
  enough pass:
    with: {at_least: 2}
    readings:
      "ConfigValue(path=/opt/acme/@thing.ini, format=ini, key=@thing.count)": {found: true, value: "3"}
    expect: [{object: /opt/acme/@thing.ini, status: pass, message: there are 3}]
  too few fail:
    readings:
      "ConfigValue(path=/opt/acme/@thing.ini, format=ini, key=@thing.count)": {found: true, value: "0"}
    expect: [{status: fail, cause: low}]
  none set fails:
    readings:
      "ConfigValue(path=/opt/acme/@thing.ini, format=ini, key=@thing.count)": {found: false}
    expect: [{status: fail, cause: missing}]
  unread is an error:
    readings:
      "ConfigValue(path=/opt/acme/@thing.ini, format=ini, key=@thing.count)":
        {unavailable: permission denied, cause: denied}
    expect: [{status: error, cause: denied}]
"""
