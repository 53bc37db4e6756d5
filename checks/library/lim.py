"""Checks of the limits that running processes have, and of the whole system's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from checks.facts.kernel import FileHandles, Handles
from checks.facts.process import UNLIMITED, FileLimit, FileLimits, Limit, ProcessLimits
from checks.model import Message, Scalar, Severity, Verdict
from checks.registry import check
from checks.units import Percent, Size, percent_text, size_text
from checks.verdicts import error, fail, grade, msg, passed, skip, warn

Bound = Size | Literal["unlimited"] | None
"""Bytes, no limit at all, or nothing that is asked for."""


@check(
    "lim.nofile",
    severity=Severity.P2,
    about="process",
    owner="customer-it",
    limits=ProcessLimits("{process}"),
)
def open_file_limit(
    limits: FileLimits, process: str = "", soft: int = 1024, hard: int = 65536
) -> list[Verdict]:
    """Running processes may open enough files.

    What counts is the limit of the running process, not that of a shell or of /etc/security: services do
    not read those. Without `process` every program that listens for TCP is judged. Below `soft` it fails,
    because that is what the process gets; below `hard` is a warning, because it cannot raise itself any
    further. Of several processes of one name the lowest limit counts.

    Remedy: under systemd `systemctl edit <service>` with `[Service]` and `LimitNOFILE=65536`, else
    `ulimit -n 65536` in the script that starts it (or /etc/security/limits.d for login sessions); then
    restart it and look with `grep 'open files' /proc/$(pgrep -o <name>)/limits`.
    Source: Oracle Database installation guide for Linux, resource limits (soft 1024, hard 65536); RabbitMQ
    production checklist (65536).
    """

    def low(limit: FileLimit) -> bool:
        return limit.soft < soft or limit.hard < hard

    return _of_each(limits, process, lambda limit: _judge(limit, soft, hard), low)


@check(
    "lim.nproc",
    severity=Severity.P2,
    about="process",
    owner="customer-it",
    limits=ProcessLimits("{process}"),
)
def process_limit(
    limits: FileLimits, process: str = "", soft: int = 2047, hard: int = 16384
) -> list[Verdict]:
    """The users of running processes may have enough processes and threads.

    The kernel counts all threads of a user against it, whichever program they belong to; a program that runs
    as root is not held to it. As for lim.nofile the limit of the running process counts, and without
    `process` every program that listens for TCP is judged. Below `soft` it fails, below `hard` is a warning.

    Remedy: under systemd `systemctl edit <service>` with `[Service]` and `LimitNPROC=16384` (and `TasksMax=`,
    which counts for the service alone), else `ulimit -u 16384` in the script that starts it; then restart it.
    Source: Oracle Database installation guide for Linux, resource limits (soft 2047, hard 16384).
    """

    def judge(limit: FileLimit, mine: Limit) -> Verdict:
        return _judge_other(limit, mine, (soft, hard), "may have {soft} processes, up to {hard}", str)

    return _of_each_other(limits, process, "nproc", (soft, hard), judge)


@check(
    "lim.stack",
    severity=Severity.P3,
    about="process",
    owner="customer-it",
    limits=ProcessLimits("{process}"),
)
def stack_limit(
    limits: FileLimits, process: str = "", soft: Bound = 10240 * 1024, hard: Bound = 10240 * 1024
) -> list[Verdict]:
    """The stacks of running processes may grow far enough.

    It is the stack of the first thread; those of a Java program are sized by `-Xss`. Linux gives 8 MiB unless
    told otherwise, so ask this of programs whose makers want more, with `process`. Bounds are sizes or
    ``unlimited``.

    Remedy: under systemd `systemctl edit <service>` with `[Service]` and `LimitSTACK=10M:32M`, else
    `ulimit -s 10240` in the script that starts it; then restart it.
    Source: Oracle Database installation guide for Linux, resource limits (soft 10240 KiB, hard 10240 to
    32768).
    """

    def judge(limit: FileLimit, mine: Limit) -> Verdict:
        return _judge_other(limit, mine, _bounds(soft, hard), "stack of {soft}, up to {hard}", size_text)

    return _of_each_other(limits, process, "stack", _bounds(soft, hard), judge)


@check(
    "lim.memlock",
    severity=Severity.P2,
    about="process",
    owner="customer-it",
    limits=ProcessLimits("{process}"),
)
def locked_memory_limit(
    limits: FileLimits, process: str = "", soft: Bound = None, hard: Bound = None
) -> list[Verdict]:
    """Running processes may keep enough memory from being swapped out.

    Databases and search engines lock what must not be swapped, and large pages are locked always. Bounds are
    sizes or ``unlimited``; without them the check passes and shows what the processes have.

    Remedy: under systemd `systemctl edit <service>` with `[Service]` and `LimitMEMLOCK=infinity`, else
    `ulimit -l unlimited` in the script that starts it; then restart it.
    Source: the profile that sets the bound names its source; Elasticsearch's bootstrap check for the memory
    lock wants no limit, Oracle's installation guide 90 % of the memory where it uses large pages.
    """

    def judge(limit: FileLimit, mine: Limit) -> Verdict:
        return _judge_other(limit, mine, _bounds(soft, hard), "may lock {soft}, up to {hard}", size_text)

    return _of_each_other(limits, process, "memlock", _bounds(soft, hard), judge)


@check("lim.fd_used", severity=Severity.P1, about="system", owner="customer-it", handles=FileHandles())
def file_handles(handles: Handles, warn_above: Percent = 70, fail_above: Percent = 90) -> Verdict:
    """The system can open more files.

    It is the kernel's table for all programs together; where it is full nothing can open a file or a
    connection any more, root excepted. A container shows the table of its machine.

    Remedy: see who holds them with `lsof -n | awk '{print $1}' | sort | uniq -c | sort -n | tail`; a program
    that forgets to close them is restarted and reported, else raise `fs.file-max` in /etc/sysctl.d.
    Source: Prometheus node mixin, NodeFileDescriptorLimit (70 and 90 %).
    """
    used = round(handles.used_percent, 1)
    return grade(
        handles.used_percent,
        high=(warn_above, fail_above),
        show=percent_text,
        say=msg("{used} % of {limit} file handles in use", used=used, limit=str(handles.limit)),
        evidence={"used": handles.used, "limit": handles.limit, "used_percent": used},
    )


def _of_each(
    limits: FileLimits,
    process: str,
    judge: Callable[[FileLimit], Verdict],
    low: Callable[[FileLimit], bool],
) -> list[Verdict]:
    """A verdict on each program, and on what cannot be seen where that may be `low`."""
    verdicts = [judge(limit) for limit in limits.processes]
    suspects = [limit.name for limit in limits.suspects if low(limit)]
    if limits.hidden and suspects:
        said = msg(
            "who holds {count} of the listening sockets cannot be seen; root may, with CAP_SYS_PTRACE",
            count=limits.hidden,
        )
        shown = ", ".join(suspects[:10])
        verdicts.append(error(said, object="*", cause="denied", evidence={"may_be_low": shown}))
    if verdicts:
        return verdicts
    if process:
        return [skip("no process of that name is running", object=process, cause="absent")]
    return [skip("no program listens for TCP with a limit to judge", object="*", cause="absent")]


def _of_each_other(
    limits: FileLimits,
    process: str,
    kind: str,
    bounds: tuple[int, int],
    judge: Callable[[FileLimit, Limit], Verdict],
) -> list[Verdict]:
    """The same for a limit that is not of open files; one that was not read is an error."""

    def of(limit: FileLimit) -> Verdict:
        mine = limit.others.get(kind)
        if mine is None:
            return error("its limit was not read", object=limit.name, cause="unread")
        return judge(limit, mine)

    def low(limit: FileLimit) -> bool:
        mine = limit.others.get(kind)
        return mine is None or mine.soft < bounds[0] or mine.hard < bounds[1]

    return _of_each(limits, process, of, low)


def _bounds(soft: Bound, hard: Bound) -> tuple[int, int]:
    return _number(soft), _number(hard)


def _number(bound: Bound) -> int:
    if bound is None:
        return 0
    return UNLIMITED if bound == "unlimited" else int(bound)


def _judge_other(
    limit: FileLimit, mine: Limit, bounds: tuple[int, int], text: str, show: Callable[[int], str]
) -> Verdict:
    def shown(number: int) -> str:
        return "unlimited" if number >= UNLIMITED else show(number)

    evidence: dict[str, Scalar] = {"soft": mine.soft, "hard": mine.hard, "processes": limit.count}
    args = {"soft": shown(mine.soft), "hard": shown(mine.hard)}
    for has, wanted, cause, judged in (
        (mine.soft, bounds[0], "low", fail),
        (mine.hard, bounds[1], "low-hard", warn),
    ):
        if has < wanted:
            side = "at least {wanted} are needed" if judged is fail else "a hard limit of {wanted} is advised"
            said = msg(f"{text}; {side}", wanted=shown(wanted), **args)
            return judged(said, object=limit.name, cause=cause, evidence=evidence)
    return passed(msg(text, **args), object=limit.name, evidence=evidence)


def _judge(limit: FileLimit, soft: int, hard: int) -> Verdict:
    evidence: dict[str, Scalar] = {"soft": limit.soft, "hard": limit.hard, "processes": limit.count}
    if limit.soft < soft:
        said = _say("may open {soft} files; at least {wanted} are needed", limit, soft)
        return fail(said, object=limit.name, cause="low", evidence=evidence)
    if limit.hard < hard:
        said = _say("cannot raise its limit of open files above {hard}; {wanted} are advised", limit, hard)
        return warn(said, object=limit.name, cause="low-hard", evidence=evidence)
    said = _say("may open {soft} files, up to {hard}", limit, soft)
    return passed(said, object=limit.name, evidence=evidence)


def _say(template: str, limit: FileLimit, wanted: int) -> Message:
    return msg(template, soft=_shown(limit.soft), hard=_shown(limit.hard), wanted=wanted)


def _shown(limit: int) -> str:
    return "any number of" if limit == UNLIMITED else str(limit)
