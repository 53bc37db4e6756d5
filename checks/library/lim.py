"""Checks of the limits that running processes have."""

from __future__ import annotations

from checks.facts.process import UNLIMITED, FileLimit, FileLimits, ProcessLimits
from checks.model import Message, Scalar, Severity, Verdict
from checks.registry import check
from checks.verdicts import error, fail, msg, passed, skip, warn


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
    verdicts = [_judge(limit, soft, hard) for limit in limits.processes]
    low = [limit.name for limit in limits.suspects if limit.soft < soft or limit.hard < hard]
    if limits.hidden and low:
        said = msg(
            "who holds {count} of the listening sockets cannot be seen; root may, with CAP_SYS_PTRACE",
            count=limits.hidden,
        )
        suspects = ", ".join(low[:10])
        verdicts.append(error(said, object="*", cause="denied", evidence={"may_be_low": suspects}))
    if verdicts:
        return verdicts
    if process:
        return [skip("no process of that name is running", object=process, cause="absent")]
    return [skip("no program listens for TCP with a limit to judge", object="*", cause="absent")]


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
