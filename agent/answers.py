"""People's answers to manual items, kept per site on the agent's machine; the newest one counts.

Nothing that was answered is ever changed or lost: an answer that was taken back is followed by another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agent.durable import make_folder, write_durably
from agent.paths import State, file_of
from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.memory import Answer
from checks.nearest import did_you_mean
from checks.nodes import entries, line, mapping
from checks.yamlfile import Node, load_file

if TYPE_CHECKING:
    from checks.plan import Plan
    from checks.unit import Unit

CHECK: Final = "manual.item"
NAME_LENGTH: Final = 100
NOTE_LENGTH: Final = 500
WORDS: Final[Mapping[str, bool | None]] = {"yes": True, "no": False, "n/a": None}

_FORM_KEYS: Final = ("target", "item", "ask", "how", "answer", "by", "at", "note", "evidence", "until")


class Kept(msgspec.Struct, frozen=True):
    """An answer, and what it is about."""

    target: str
    item: str
    answer: Answer


def newest(state: State, site: str, target: str, item: str) -> Answer | None:
    """The answer that counts, or None. Raises `NotReadable` where the file cannot be read."""
    try:
        kept = _load(state, site)
    except BadInput as problem:
        raise NotReadable(str(problem), "parse") from problem
    found = [each.answer for each in kept if (each.target, each.item) == (target, item)]
    return found[-1] if found else None


def keep(state: State, site: str, new: Iterable[Kept]) -> None:
    """Add answers, durably. Raises `BadInput` for a file that is not to be overwritten, `OSError` else."""
    from agent.lock import exclusive

    state.prepare()
    make_folder(state.answers)
    with exclusive(state.answers / "lock"):
        kept = [*_load(state, site), *new]
        write_durably(_path(state, site), msgspec.json.format(msgspec.json.encode(kept)))


def questions(plan: Plan) -> tuple[Unit, ...]:
    """The manual items of a plan, at each of their targets."""
    return tuple(unit for unit in plan.units if unit.item.check == CHECK)


def evidence_of(path: Path) -> tuple[str, str]:
    """SHA-256 and name of the file that shows something; raises `BadInput`."""
    import hashlib

    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), path.name[:NAME_LENGTH]
    except OSError as error:
        raise BadInput(
            f"{path}: {error.strerror}; evidence is a file that shows what was answered"
        ) from error


def read_name(name: str) -> str:
    """A person's name; raises `BadInput`."""
    said = " ".join(name.split())
    if not said or len(said) > NAME_LENGTH or not said.isprintable():
        raise BadInput(f"{name[:NAME_LENGTH]!r}: give a person's name, at most {NAME_LENGTH} characters")
    return said


def read_day(text: str, *, end: bool = False) -> datetime:
    """A day (``2026-12-31``) or a moment in ISO 8601 as aware UTC; `end` means the end of that day."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text[:40]!r} is no date; write it as 2026-12-31") from None
    if len(text) <= len("2026-12-31") and end:
        found = datetime.combine(found.date(), time.max)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def read_form(path: Path, plan: Plan, now: datetime) -> list[Kept]:
    """The answers in a form that `form_of` wrote and people filled in; what has none is left out.

    Evidence is named by a path, taken from the form's own folder. Raises `BadInput` with file and line.
    """
    root = load_file(path)
    asked = questions(plan)
    found = []
    for entry in entries(mapping(root, ("answers",), "a form").get("answers"), "answers"):
        parts = mapping(entry, _FORM_KEYS, "an answer")
        if "answer" in parts and parts["answer"].raw:
            found.append(_answered(entry, parts, asked, path.parent, now))
    return found


def form_of(plan: Plan) -> str:
    """A form to fill in, as YAML: every manual item with its question."""
    lines = [
        "# For each: answer yes, no or n/a, and by whom. Where it helps: at (the day, else today), note,",
        "# evidence (a file beside this one), until (the last day that the answer holds). What has no answer",
        "# is passed over. Then: firstlight answer --from THIS-FILE",
        "answers:",
    ]
    for unit in questions(plan):
        arguments = unit.item.arguments
        lines += [f"  - item: {_yaml(unit.item.id)}", f"    target: {_yaml(unit.target)}"]
        lines += [f"    ask: {_yaml(arguments['ask'])}"]
        lines += [f"    how: {_yaml(arguments['how'])}"] if arguments["how"] else []
        lines += ["    answer:", "    by:", "    note:", "    evidence:", ""]
    return "\n".join(lines)


def _answered(
    entry: Node, parts: Mapping[str, Node], asked: tuple[Unit, ...], folder: Path, now: datetime
) -> Kept:
    if "item" not in parts or "by" not in parts or not parts["by"].raw:
        raise entry.wrong("an answer names its item, and by whom it was given")
    item = parts["item"].raw or ""
    target = (parts["target"].raw or "") if "target" in parts else ""
    word = (parts["answer"].raw or "").lower()
    if word not in WORDS:
        raise parts["answer"].wrong(f"{word!r:.40} is no answer; it is one of {', '.join(WORDS)}")
    try:
        unit = question_of(asked, item, target)
        evidence = parts.get("evidence")
        digest, name = evidence_of(folder / str(evidence.raw)) if evidence and evidence.raw else ("", "")
        note, until, at = parts.get("note"), parts.get("until"), parts.get("at")
        answer = Answer(
            WORDS[word],
            read_name(parts["by"].raw or ""),
            read_day(at.raw) if at and at.raw else now,
            line(note, NOTE_LENGTH) if note and note.raw else "",
            digest,
            name,
            read_day(until.raw, end=True) if until and until.raw else None,
        )
    except BadInput as problem:
        if type(problem) is not BadInput:
            raise
        raise entry.wrong(str(problem)) from None
    if answer.at > now:
        raise entry.wrong(f"was answered on {answer.at:%Y-%m-%d}, which is yet to come")
    return Kept(unit.target, unit.item.id, answer)


def question_of(asked: tuple[Unit, ...], item: str, target: str) -> Unit:
    """The one manual item of that id, at that target where it stands at several; raises `BadInput`."""
    if not asked:
        raise BadInput("this profile has no manual items")
    at = [unit for unit in asked if unit.item.id == item]
    if not at:
        raise BadInput(f"no manual item {item!r:.100}{did_you_mean(item, {unit.item.id for unit in asked})}")
    chosen = [unit for unit in at if not target or unit.target == target]
    if len(chosen) != 1:
        names = ", ".join(unit.target for unit in at)
        raise BadInput(f"item {item} is asked at {names}; say which target is meant")
    return chosen[0]


def _load(state: State, site: str) -> list[Kept]:
    path = _path(state, site)
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Kept])
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise BadInput(f"{path}: damaged, and left as it is: {error}") from error


def _path(state: State, site: str) -> Path:
    return state.answers / file_of(site, "answers")


def _yaml(text: Any) -> str:
    """A text in quotes, in which YAML and JSON agree."""
    return msgspec.json.encode(str(text)).decode()
