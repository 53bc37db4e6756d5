"""The systemd units: a service for the runs of a schedule, a timer for each, and a tick.

A timer wakes at the times of one schedule of config.toml. The tick comes every 15 minutes and runs what is
due then: schedules that the collector publishes take effect by it without anybody's doing, runs that quiet
hours put off begin, what waits in the spool is delivered, and times that systemd cannot name are kept.
"""

from __future__ import annotations

from typing import Final

from agent.install.calendar import Unsayable, even_spans, on_calendar
from agent.install.wanted import Wakeup
from checks.errors import BadInput
from checks.rules import ScheduleEntry
from checks.schedules.timing import read_timing
from checks.units import span_text

SERVICE: Final = "firstlight-check@.service"
TICK: Final = "firstlight-tick"
TICK_S: Final = 900

COARSE_S: Final = 4 * TICK_S
"""Spans from here on may be kept by the tick; a shorter one would be kept too unevenly."""

EARLIER: Final = ("firstlight.timer", "firstlight.service")
"""The units of earlier versions."""


def timer_of(name: str) -> str:
    return f"firstlight-check@{name}.timer"


def units(wakeup: Wakeup) -> tuple[dict[str, str], list[str]]:
    """The units by file name, and lines about schedules that have no timer of their own.

    Raises `BadInput` for a span that neither a timer nor the tick can keep.
    """
    found = {SERVICE: service_unit(wakeup, "--once --schedule %i", "run the schedule %i if it is due")}
    notes = []
    for entry in wakeup.schedules:
        try:
            found[timer_of(entry.name)] = timer_unit(entry, wakeup.machine)
        except Unsayable as reason:
            _refuse_fine(entry)
            notes.append(
                f"schedule {entry.name}: has no timer of its own, for {reason}; the tick runs it, at most "
                f"{TICK_S // 60} min late"
            )
    found[f"{TICK}.service"] = service_unit(wakeup, "--once", "run what is due, deliver what waits")
    found[f"{TICK}.timer"] = tick_unit(wakeup)
    return found, notes


def timer_unit(entry: ScheduleEntry, machine: str) -> str:
    """The timer of a schedule; a run missed while the machine was off is made up for once.

    No delay is left to chance: what spreads machines is in the times already. Raises `Unsayable`.
    """
    return "\n".join(
        [
            "[Unit]",
            f"Description=Firstlight: when to run the schedule {entry.name}",
            "",
            "[Timer]",
            *(f"OnCalendar={line}" for line in on_calendar(entry, machine)),
            "RandomizedDelaySec=0",
            "AccuracySec=1s",
            "Persistent=true",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        ]
    )


def tick_unit(wakeup: Wakeup) -> str:
    """The timer of what has no other."""
    minute, second = divmod(wakeup.offset(TICK_S), 60)
    return "\n".join(
        [
            "[Unit]",
            "Description=Firstlight: when to look for what is due",
            "",
            "[Timer]",
            f"OnCalendar=*:{minute:02d}/{TICK_S // 60}:{second:02d}",
            "AccuracySec=30s",
            "Persistent=true",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        ]
    )


def service_unit(wakeup: Wakeup, words: str, about: str) -> str:
    """The systemd service: what is due, then done.

    It is confined by what does not change its view of the machine. Options that give it a mount table of
    its own (ProtectSystem=, PrivateTmp=, ProtectHome=, ProtectKernelLogs= …), a network, users or devices
    of its own would make checks judge those.
    """
    command = " ".join(unit_word(word).replace("$", "$$") for word in wakeup.program)
    lines = [
        "[Unit]",
        f"Description=Firstlight: {about}",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={command} agent {words}",
        "# Findings (1) are the answer, not a failure of the service.",
        "SuccessExitStatus=1",
        f"Environment={unit_word('FIRSTLIGHT_STATE=' + wakeup.state)}",
        *([f"User={wakeup.user}"] if wakeup.user else []),
        "UMask=0077",
        "Nice=10",
        "IOSchedulingClass=best-effort",
        "IOSchedulingPriority=7",
        "# The agent ends a run that takes longer than limits.run_s of config.toml, which is a day at most.",
        "TimeoutStartSec=25h",
        "# Asked to end, it ends its run politely first.",
        "KillMode=mixed",
        "TimeoutStopSec=20s",
        "# Core files would hold secrets.",
        "LimitCORE=0",
        "NoNewPrivileges=yes",
        "KeyringMode=private",
        "RestrictSUIDSGID=yes",
        "RestrictRealtime=yes",
        "RestrictNamespaces=yes",
        "LockPersonality=yes",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        "SystemCallArchitectures=native",
        "# adjtimex is read to see whether the clock is synchronised; without CAP_SYS_TIME it sets nothing.",
        "SystemCallFilter=@system-service adjtimex clock_adjtime",
        "SystemCallErrorNumber=EPERM",
        *_capabilities(wakeup),
    ]
    return "\n".join(lines) + "\n"


def _capabilities(wakeup: Wakeup) -> list[str]:
    """What the service may do beyond its account; a service of a user's sessions has nothing to give away."""
    read = "CAP_DAC_READ_SEARCH CAP_SYS_PTRACE"
    if not wakeup.system:
        return []
    if wakeup.user and wakeup.reads:
        return [
            "# Read what belongs to others, look at others' processes; nothing else.",
            f"CapabilityBoundingSet={read}",
            f"AmbientCapabilities={read}",
        ]
    if wakeup.user:
        return ["CapabilityBoundingSet="]
    return [
        "# Read what is not root's, look at other users' processes; nothing else that root may do.",
        f"CapabilityBoundingSet={read} CAP_KILL",
    ]


def unit_word(word: str) -> str:
    """A word of ExecStart= or Environment= (systemd.syntax(7)): specifiers and quotes lose their meaning."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{plain}"' if any(c in word for c in " \t\"'\\;") else plain


def _refuse_fine(entry: ScheduleEntry) -> None:
    span = read_timing(entry).span_s
    if not 0 < span < COARSE_S:
        return
    fitting = even_spans()
    near = [max(each for each in fitting if each <= span), min(each for each in fitting if each > span)]
    right = " or ".join(span_text(each) for each in near)
    raise BadInput(
        f"schedule {entry.name}: every {entry.every!r} divides no week into equal parts, and a systemd timer "
        f"cannot keep it; every = {right} would be right, or keep firstlight agent running by yourself"
    )
