"""Which schedules there are: those of the configuration, and those that the collector published; where there
are none, what the collector expects of a machine that is enrolled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from agent.config import Config
from agent.identity import load_identity
from agent.paths import State
from checks.errors import BadInput
from checks.rules import ScheduleEntry
from checks.schedules.timing import LONGEST_S, SHORTEST_S, read_timing

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT = "default"
"""The schedule that is there without anybody's having written it."""

DAY_S = 86400


class Known(NamedTuple):
    """A schedule and who made it; `refused` says why it is not kept to, empty where it is."""

    entry: ScheduleEntry
    origin: Literal["config", "collector", "enrolment"]
    refused: str = ""


def known_schedules(state: State, config: Config) -> list[Known]:
    """All of them by name, those that cannot be kept to among them.

    Where both have one of a name, that of the configuration counts. Raises `BadInput` for a configuration
    that is wrong; what a collector publishes is refused piece by piece.
    """
    own = {entry.name: Known(entry, "config") for entry in config.schedules}
    theirs = {
        entry.name: Known(entry, "collector", _objection(entry))
        for entry in published(state)
        if entry.name not in own
    }
    every = own | theirs or expected(state)
    return [every[name] for name in sorted(every)]


def published(state: State) -> Sequence[ScheduleEntry]:
    """What the collector published for this site, as far as it is in force here."""
    from agent.rules.held import in_force

    rules = in_force(state)
    return rules.schedules if rules is not None else ()


def expected(state: State) -> dict[str, Known]:
    """The schedule ``default`` of an enrolled machine: as often as the collector expects it to report."""
    try:
        identity = load_identity(state)
    except BadInput:  # whatever is run says so
        return {}
    if identity is None:
        return {}
    seconds = identity.interval_s if SHORTEST_S <= identity.interval_s <= LONGEST_S else DAY_S
    return {DEFAULT: Known(ScheduleEntry(DEFAULT, every=_words(seconds)), "enrolment")}


def find(every: list[Known], name: str) -> Known:
    """The schedule of that name; raises `BadInput` with those there are, or with why it is refused."""
    for known in every:
        if known.entry.name == name:
            if known.refused:
                raise BadInput(f"schedule {name} of the collector is not kept to: {known.refused}")
            return known
    names = ", ".join(known.entry.name for known in every)
    raise BadInput(
        f"--schedule {name[:100]}: no such schedule; " + (f"there are {names}" if names else "there is none")
    )


def check_words(state: State, entry: ScheduleEntry) -> list[str]:
    """What `firstlight` is given to make a run of it. Relative paths begin at the configuration file.

    No word of an entry can become an option: each is bound to its own, or stands after ``--``.
    """
    words = ["check", "--trigger", "schedule"]
    for option, value in (("--stage", entry.stage), ("--site", entry.site)):
        words += [f"{option}={value}"] if value else []
    if entry.site_file:
        words.append(f"--site-file={state.root / entry.site_file}")
    if entry.profile:
        words += ["--", str(state.root / entry.profile) if is_path(entry.profile) else entry.profile]
    return words


def lacking(state: State, entry: ScheduleEntry) -> str:
    """What a run of it would not find on this machine, in words; empty where it finds all that it names."""
    from checks.profile_source import is_shipped

    files = [entry.site_file] if entry.site_file else []
    files += [entry.profile] if is_path(entry.profile) else []
    for file in files:
        try:
            there = (state.root / file).is_file()
        except OSError:
            there = False
        if not there:
            return f"there is no file {state.root / file}"
    if entry.profile and not is_path(entry.profile) and not is_shipped(entry.profile):
        from agent.rules.held import in_force
        from checks.published import texts_of

        if entry.profile not in texts_of(in_force(state)):
            return f"no profile {entry.profile!r:.100} is shipped, or published for this site yet"
    if entry.site:
        try:
            identity = load_identity(state)
        except BadInput:  # whatever is run says so
            return ""
        if identity is not None and entry.site not in identity.sites:
            return f"this agent may report for {', '.join(identity.sites)}, not for {entry.site}"
    return ""


def is_path(profile: str) -> bool:
    """Whether a profile is named by its file (see `checks.profile.load_profile`)."""
    return "/" in profile or "\\" in profile or profile.endswith((".yaml", ".yml"))


def _objection(entry: ScheduleEntry) -> str:
    """Why a published schedule is not kept to: a collector chooses no files of this machine."""
    if is_path(entry.profile):
        return f"it names the file {entry.profile!r:.120} of this machine; only config.toml may"
    if entry.site_file:
        return f"it names the site file {entry.site_file!r:.120} of this machine; only config.toml may"
    if not all(text.isprintable() for text in (entry.profile, entry.stage, entry.site)):
        return "its texts hold characters that cannot be shown"
    try:
        read_timing(entry)
    except BadInput as error:
        return str(error)
    return ""


def _words(seconds: int) -> str:
    """A span of whole seconds as its entry says it."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
