"""Checks of what is mounted over the network."""

from __future__ import annotations

from checks.facts.answering import MountAnswer, MountAnswers, RemoteMounts
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.verdicts import fail, msg, passed


@check(
    "net.nfs_responsive",
    severity=Severity.P1,
    about="mount",
    owner="customer-it",
    each=("mount", RemoteMounts()),
    answer=MountAnswers("{mount}"),
)
def responsive_mount(answer: MountAnswer, mount: str = "") -> Verdict:
    """A mount of a network filesystem answers.

    Without `mount` every network and FUSE mount is judged, autofs ones only once they are mounted. Whoever
    looks at one whose server is gone waits for ever: the look is a stat in a process of its own that is ended
    after 4 s (over SSH after 5 s), and one that cannot be ended is named and never joined by another. May the
    agent not look into it, it was answered all the same.

    Remedy: from this host, `showmount -e <server>` or `nc -vz <server> 2049` (445 for SMB) shows whether the
    server answers; `findmnt {mount}` names it. A dead or stale one: `umount -f {mount}` (`umount -l` where
    that hangs), then mount it again. `soft,timeo=` trades hanging for errors.
    Source: our judgement; 5 s is what the other reads of a path have.
    """
    evidence: dict[str, Scalar] = {"outcome": answer.outcome, "type": answer.type, "source": answer.source}
    where = {"type": answer.type or "what is mounted there", "source": answer.source or mount}
    if answer.outcome == "answered":
        return passed(msg("{type} from {source} answers", **where), evidence=evidence)
    said = msg("{type} from {source} does not answer: {detail}", detail=answer.detail, **where)
    return fail(said, cause=answer.outcome, evidence=evidence)
