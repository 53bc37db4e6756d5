"""Checks of running processes."""

from __future__ import annotations

from checks.facts.cmdline import ProcessesWith
from checks.facts.process import Processes, ProcessGroup
from checks.model import Message, Scalar, Severity, Verdict
from checks.patterns import Pattern
from checks.registry import check, unless, when
from checks.verdicts import fail, msg, passed


@check(
    "proc.running",
    severity=Severity.P1,
    about="name",
    owner="vendor",
    every=unless("args", Processes("{name}")),
    matching=when("args", ProcessesWith("{name}", "{args}")),
)
def running_process(
    every: ProcessGroup | None,
    matching: ProcessGroup | None,
    name: str,
    min_count: int = 1,
    max_count: int | None = None,
    user: str = "",
    allow_root: bool = False,
    args: Pattern = "",
) -> Verdict:
    """A process runs, as often as it should and as whom it should.

    `name` is the name of the program (as `ps -o comm` shows it), never its arguments. With `args` only those
    count in whose command line that regular expression is found (``-jar /opt/erp/erp[.]jar``); the command
    line itself is not kept, because it may hold secrets. Running as root only is
    a failure unless `allow_root` says otherwise; a program whose first process is root and whose workers are
    not, such as nginx, passes. With `user` all of its processes have to run as that user.

    Remedy: `systemctl status {name}` and `journalctl -u {name} -n 50` tell why it is not there; start it with
    `systemctl enable --now {name}`. For the wrong user set `User=` in its unit (`systemctl edit {name}`) and
    hand its folders over with `chown -R`.
    Source: our judgement: at least one process, not as root.
    """
    group = every or matching or ProcessGroup(0)
    users = ", ".join(group.users[:10])
    evidence: dict[str, Scalar] = {
        "count": group.count,
        "users": users,
        "pids": ", ".join(map(str, group.pids[:10])),
    }

    def said(template: str) -> Message:
        return msg(template, count=group.count, users=users)

    if group.count < min_count:
        if not group.count:
            none = "no such process is running" + (" with arguments that match {args}" if args else "")
            return fail(none, cause="absent", evidence=evidence)
        return fail(said("{count} running; at least {min_count} are needed"), cause="few", evidence=evidence)
    if max_count is not None and group.count > max_count:
        return fail(said("{count} running; at most {max_count} are right"), cause="many", evidence=evidence)
    if user and group.count and group.users != (user,):
        return fail(said("runs as {users}, wanted: {user}"), cause="user", evidence=evidence)
    if not allow_root and user != "root" and group.users == ("root",):
        return fail(said("runs as root"), cause="root", evidence=evidence)
    if not group.count:
        return passed("none is running, as wanted", evidence=evidence)
    return passed(said("{count} running as {users}"), evidence=evidence)
