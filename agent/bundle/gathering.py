"""Reading everything that goes into a bundle, and putting it together: all redacted, all within a bound.

The readings are made for the bundle: nothing of them is remembered, spooled or sent.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from agent import __version__
from agent.bundle import about, recent
from agent.bundle.cleaning import cleaned
from agent.bundle.logs import Log, read_logs
from agent.bundle.logs import parts_of as log_parts
from agent.bundle.parts import (
    ACCEPTED,
    FORMAT,
    INDEX,
    MANIFEST,
    MIB,
    PREVIOUS,
    SNAPSHOT,
    VERSION,
    Listed,
    Manifest,
    Part,
    within,
)
from agent.bundle.planned import plan_lines
from agent.difference import DiffPage, page_of
from agent.examine import Symptom, examine
from agent.paths import State
from agent.run import check_now, view_of
from agent.sides import of_snapshot
from agent.spool import Spool
from checks.errors import BadInput
from checks.model import Trigger

if TYPE_CHECKING:
    from agent.planning import Planned
    from agent.redact import Redactor
    from agent.run import Run
    from agent.targets.sources import Sources
    from checks.snapshot import Snapshot
    from reports.bundle import index
    from reports.run.view import RunView

INDEX_ROOM: Final = 1 * MIB
"""What is kept free for the index and the list of parts, which are made last."""

SHOWN_LINES: Final = 12
"""Of each log the last lines stand in the index."""


class Gathered(msgspec.Struct, frozen=True):
    """The parts, sorted by name; `missing` are logs that there is nothing of, each with why."""

    parts: tuple[Part, ...]
    missing: tuple[tuple[str, str], ...]
    view: RunView
    masked: bool


def gather(
    planned: Planned,
    at: State,
    *,
    site: str,
    stage: str,
    operator: str,
    limit: int,
    accept_new: bool,
    max_bytes: int,
    now: datetime,
) -> Gathered:
    """Read, evaluate, redact, and lay it all out. Raises `BadInput` for settings that are wrong."""
    logs: list[Log] = []

    def also(sources: Sources) -> None:
        logs.extend(read_logs(planned.plan, sources, max_bytes // 2))

    run = check_now(
        planned,
        site=site,
        trigger=Trigger.MANUAL,
        limit=limit,
        accept_new=accept_new,
        keep=False,
        beside=also,
    )
    redactor = redactor_of(at, planned, site)
    view = view_of(run, site or run.snapshot.site, stage, operator, None, note=planned.note)
    made = _Layout(at, run, view, redactor, logs, now, plan_lines(planned.plan)).parts(max_bytes)
    from agent.redaction.at_site import remember

    remember(at, redactor)
    return made


def redactor_of(at: State, planned: Planned, site: str) -> Redactor:
    """What takes out of logs and lines what must not leave this site."""
    from agent.identity import load_identity
    from agent.redaction.at_site import masks_names, redactor_for

    if not masks_names(at):
        return redactor_for(at, site)
    from agent.redaction.known import names_of

    return redactor_for(at, site, names_of(planned, load_identity(at)))


class _Layout:
    """A bundle being put together from what was read."""

    def __init__(
        self,
        at: State,
        run: Run,
        view: RunView,
        redactor: Redactor,
        logs: list[Log],
        now: datetime,
        plan: list[str],
    ) -> None:
        self.at, self.run, self.view, self.plan = at, run, view, plan
        self.redactor, self.logs, self.now = redactor, logs, now

    def parts(self, max_bytes: int) -> Gathered:
        symptoms = [self._clean(each) for each in examine(self.at)]
        runs = recent.recent_runs(Spool(self.at.spool), self.redactor)
        accepted, previous = self._accepted(), self._previous()
        changes = self._changes(accepted, previous, runs)
        logged = log_parts(self.logs, self.redactor)
        parts = [
            Part(SNAPSHOT, "the readings, for firstlight check --from", _json(self.run.snapshot), weight=9),
            *self._reports(),
            Part("plan.txt", "all that was read for this", self._text("\n".join(self.plan))),
            Part(
                "agent.txt",
                "the agent itself: doctor, schedules, spool, version",
                self._text(about.agent_text(self.at, symptoms, self.now)),
                weight=6,
            ),
            Part(
                "changes.txt", "what changed since acceptance and between runs", self._told(changes), weight=6
            ),
            *recent.parts_of(runs),
            *(part for part, _ in logged),
        ]
        if accepted is not None:
            parts.append(Part(ACCEPTED, "the state that was accepted", _json(accepted), weight=4))
        if previous is not None:
            parts.append(Part(PREVIOUS, "the run before", _json(previous), weight=3))
        if own := about.own_log(self.at):
            parts.append(
                Part("agent-log.txt", "the agent's own log", cleaned(own, self.redactor).encode(), weight=4)
            )
        kept = within(parts, max(0, max_bytes - INDEX_ROOM))
        missing = tuple(
            (self.redactor.text(f"{log.target}: {log.name}"), self.redactor.text(log.reason))
            for log in self.logs
            if log.reason
        )
        kept += self._ends(kept, symptoms, runs, changes, missing)
        return Gathered(
            tuple(sorted(kept, key=lambda part: part.name)),
            missing,
            self.view,
            self.redactor.masks is not None,
        )

    def _reports(self) -> list[Part]:
        from reports.run import html, json

        return [
            Part("report.html", "the whole report", html.render(self.view).encode(), weight=7),
            Part("report.json", "the report for programs", json.render(self.view), weight=7),
        ]

    def _accepted(self) -> Snapshot | None:
        from agent.baselines import load

        try:
            found = load(self.at, self.run.snapshot.site, self.run.snapshot.profile)
        except BadInput:
            return None
        return self.redactor.snapshot(found.snapshot) if found is not None else None

    def _previous(self) -> Snapshot | None:
        from agent.last import recall

        found = recall(self.run.snapshot.site, self.run.snapshot.profile)
        return self.redactor.snapshot(found.snapshot) if found is not None else None

    def _changes(
        self, accepted: Snapshot | None, previous: Snapshot | None, runs: list[recent.Recent]
    ) -> list[tuple[str, DiffPage]]:
        own = of_snapshot("now", "this bundle's readings", self.run.snapshot)
        found = []
        if accepted is not None:
            before = of_snapshot("accepted", "the accepted state", accepted)
            found.append(("since the state that was accepted", page_of(before, own)))
        if previous is not None:
            before = of_snapshot("before", "the run before", previous)
            found.append((f"since the run of {_minute(previous.captured_at)}", page_of(before, own)))
        for page in recent.differences(runs):
            found.append((f"from run {page.a.name} to run {page.b.name} of {page.b.profile}", page))
        return found

    def _told(self, changes: list[tuple[str, DiffPage]]) -> bytes:
        blocks = [
            "\n".join([title, "", *(f"  {line}" for line in recent.in_words(page))])
            for title, page in changes
        ]
        return self._text("\n\n".join(blocks) or "There is nothing to compare with yet.")

    def _ends(
        self,
        kept: list[Part],
        symptoms: list[Symptom],
        runs: list[recent.Recent],
        changes: list[tuple[str, DiffPage]],
        missing: tuple[tuple[str, str], ...],
    ) -> list[Part]:
        """The index and the manifest, which name all others."""
        from reports.bundle import index

        listed = [Listed(part.name, part.what, len(part.data), part.cut) for part in kept]
        page = index.render(
            index.Index(
                view=self.view,
                version=__version__,
                made=self.now,
                parts=tuple(
                    index.PartLine(each.name, each.what, each.size, each.cut)
                    for each in sorted(listed, key=lambda each: each.name)
                ),
                symptoms=tuple(
                    index.SymptomLine(each.level, each.about, each.found, each.remedy) for each in symptoms
                ),
                runs=tuple(self._run_line(each) for each in runs),
                changes=tuple(
                    index.Changes(title, tuple(map(self.redactor.text, recent.in_words(page))), page.changed)
                    for title, page in changes
                ),
                logs=tuple(
                    index.LogLine(part.name, part.what, part.cut, _last_lines(part.data))
                    for part in kept
                    if part.name.startswith("logs/") and part.data
                ),
                missing=missing,
            )
        )
        manifest = Manifest(
            FORMAT,
            VERSION,
            self.now.isoformat(),
            f"firstlight {__version__}",
            self.run.snapshot.site,
            self.run.snapshot.profile,
            tuple(sorted(listed, key=lambda each: each.name)),
        )
        return [
            Part(INDEX, "begin here", page.encode(), weight=9),
            Part(MANIFEST, "what is in this file, for programs", _json(manifest), weight=9),
        ]

    def _run_line(self, run: recent.Recent) -> index.RunLine:
        from reports.bundle import index

        if run.report is None:
            return index.RunLine(run.sequence, run.place, run.note)
        report = run.report
        return index.RunLine(
            run.sequence,
            run.place,
            run.note,
            f"{report.profile.id} {report.profile.version}",
            report.ended,
            recent.tally(report),
            f"runs/{run.sequence:012d}.json",
        )

    def _clean(self, symptom: Symptom) -> Symptom:
        return msgspec.structs.replace(
            symptom, found=self.redactor.text(symptom.found), remedy=self.redactor.text(symptom.remedy)
        )

    def _text(self, text: str) -> bytes:
        return cleaned(text, self.redactor).encode()


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=1) + b"\n"


def _minute(moment: datetime) -> str:
    from reports.run.view import when

    return when(moment)


def _last_lines(data: bytes) -> tuple[str, ...]:
    return tuple(line[:300] for line in data.decode(errors="replace").splitlines()[-SHOWN_LINES:])
