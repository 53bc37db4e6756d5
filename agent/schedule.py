"""How often a machine is checked, and the same said to systemd and to cron.

Only intervals that both can keep at equal distances are accepted: a part of an hour, a part of a day, a day
or a week.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from checks.errors import BadInput

MINUTES = (5, 10, 15, 20, 30)
HOURS = (1, 2, 3, 4, 6, 8, 12)
DAYS = (1, 7)
ACCEPTED = "5, 10, 15, 20 or 30 min; 1, 2, 3, 4, 6, 8 or 12 h; 1 or 7 d"

MARK = "# firstlight: scheduled check"


@dataclass(frozen=True, slots=True)
class Schedule:
    """An interval in minutes and a minute of the week, by which sites spread their load on the collector."""

    minutes: int
    offset: int

    def calendar(self) -> str:
        """The OnCalendar= expression (systemd.time(7))."""
        minute, hour, day = self._first()
        if self.minutes < 60:
            return f"*-*-* *:{minute:02d}/{self.minutes}:00"
        if self.minutes < 1440:
            return f"*-*-* {hour:02d}/{self.minutes // 60}:{minute:02d}:00"
        name = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")[day]
        return f"{name + ' ' if self.minutes == 10080 else ''}*-*-* {hour:02d}:{minute:02d}:00"

    def crontab(self) -> str:
        """The five fields of a crontab line (crontab(5)), written out so that every cron understands them."""
        minute, hour, day = self._first()
        if self.minutes < 60:
            return f"{','.join(str(m) for m in range(minute, 60, self.minutes))} * * * *"
        if self.minutes < 1440:
            return f"{minute} {','.join(str(h) for h in range(hour, 24, self.minutes // 60))} * * *"
        return f"{minute} {hour} * * {day if self.minutes == 10080 else '*'}"

    def spread_s(self) -> int:
        """Seconds by which a timer may wake later at random: a tenth of the interval, 15 min at most."""
        return min(self.minutes * 6, 900)

    def _first(self) -> tuple[int, int, int]:
        """Minute, hour and day of the first run in a week."""
        at = self.offset % self.minutes
        return at % 60, at // 60 % 24, at // 1440


def parse_every(text: str, seed: str) -> Schedule:
    """The schedule for ``1d``, ``6h``, ``30 min``; raises `BadInput` with those there are.

    `seed` is any stable text of the machine; it picks the minute.
    """
    from checks.units import parse_quantity

    found = parse_quantity(text, bare="span")
    minutes = found.number / 60 if found and found.dimension == "span" else 0
    if minutes not in {*MINUTES, *(60 * h for h in HOURS), *(1440 * d for d in DAYS)}:
        raise BadInput(f"--every {text}: not an interval that can be kept evenly; accepted are {ACCEPTED}")
    import zlib

    return Schedule(int(minutes), zlib.crc32(seed.encode()) % 10080)


def service_unit(command: list[str], state: str, *, system: bool) -> str:
    """The systemd service: one check, then done.

    It is confined by what does not change its view of the machine. Options that give it a mount table of
    its own (ProtectSystem=, PrivateTmp=, ProtectHome= …) would make checks of mounts judge that table.
    """
    lines = [
        "[Unit]",
        "Description=Firstlight: check this machine and report",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={' '.join(_unit_word(word).replace('$', '$$') for word in command)}",
        "# Findings (1) are the answer, not a failure of the service.",
        "SuccessExitStatus=1",
        f"Environment={_unit_word('FIRSTLIGHT_STATE=' + state)}",
        "UMask=0077",
        "Nice=10",
        "TimeoutStartSec=30min",
        "NoNewPrivileges=yes",
        "RestrictSUIDSGID=yes",
        "RestrictRealtime=yes",
        "RestrictNamespaces=yes",
        "LockPersonality=yes",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        "SystemCallArchitectures=native",
        "# adjtimex is read to see whether the clock is synchronised; without CAP_SYS_TIME it sets nothing.",
        "SystemCallFilter=@system-service adjtimex clock_adjtime",
        "SystemCallErrorNumber=EPERM",
    ]
    if system:
        lines += [
            "# Read what is not root's, look at other users' processes; nothing else that root may do.",
            "CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE CAP_KILL",
        ]
    return "\n".join(lines) + "\n"


def timer_unit(schedule: Schedule) -> str:
    """The systemd timer; a run missed while the machine was off is made up for."""
    return "\n".join(
        [
            "[Unit]",
            "Description=Firstlight: when to check this machine",
            "",
            "[Timer]",
            f"OnCalendar={schedule.calendar()}",
            f"RandomizedDelaySec={schedule.spread_s()}",
            "Persistent=true",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        ]
    )


def cron_line(schedule: Schedule, command: list[str], state: str, *, user: str = "") -> str:
    """The one crontab line, with the user's field that /etc/cron.d wants. Cron mails what goes wrong."""
    words = [f"FIRSTLIGHT_STATE={shlex.quote(state)}", *(shlex.quote(word) for word in command)]
    line = " ".join(words).replace("%", r"\%")  # cron turns a bare one into a new line
    return f"{schedule.crontab()} {user + ' ' if user else ''}{line} >/dev/null {MARK}\n"


def _unit_word(word: str) -> str:
    """A word of ExecStart= or Environment= (systemd.syntax(7)): specifiers and quotes lose their meaning."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{plain}"' if any(c in word for c in " \t\"'\\;") else plain
