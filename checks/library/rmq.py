"""Checks of RabbitMQ."""

from __future__ import annotations

from checks.facts.rabbitmq import Cluster, Node, RabbitHealth
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.units import Percent, Size, Span, size_text
from checks.verdicts import error, fail, msg, passed, warn


@check(
    "rmq.health",
    severity=Severity.P1,
    about="url",
    owner="customer-it",
    cluster=RabbitHealth("{url}", "{user}", "{password}", "{verify}", "{ca}", "{timeout}"),
)
def rabbit_health(
    cluster: Cluster,
    url: str,
    user: str,
    password: str,
    disk_limit_at_least: Size = 1024**3,
    files_at_least: int = 50_000,
    memory_warn: Percent = 80,
    unattended_above: int = 0,
    unacked_warn: int = 10_000,
    without_consumers: tuple[str, ...] = (),
    verify: bool = True,
    ca: str = "",
    timeout: Span = 5,
) -> list[Verdict]:
    """RabbitMQ takes messages, has room for them, and somebody fetches them.

    `url` is that of the management API (``http://mq1:15672``), whose user needs the tag `monitoring`
    and any permission in each virtual host. There is a result for each of these:

    - nodes: all run, and none sees a partition of the cluster;
    - memory: no alarm, and less than `memory_warn` of the watermark used;
    - disk: no alarm, and a limit of at least `disk_limit_at_least` free: at its default of 50 MB the disk is
      full before publishers are stopped;
    - files: a node may open `files_at_least` files, which connections and queues count as;
    - queues: none holds more than `unattended_above` messages without a consumer (but those of
      `without_consumers`, as ``virtual host/name``), more than `unacked_warn` unacknowledged ones, or is
      down. The 500 longest are looked at.

    Remedy: an alarm stops every publisher: free the disk, or find the queue that grows and start its
    consumers. Partition: see the chapter on partitions in RabbitMQ's manual before restarting any node.
    `disk_free_limit.absolute = 2GB` in rabbitmq.conf; `LimitNOFILE=65536` for its service.
    Source: RabbitMQ production checklist (alarms, disk limit, at least 50000 file handles); its manual on
    alarms and partitions.
    """
    return [
        _nodes(cluster),
        _memory(cluster, memory_warn),
        _disk(cluster, disk_limit_at_least),
        _files(cluster, files_at_least),
        _queues(cluster, unattended_above, unacked_warn, without_consumers),
    ]


def _nodes(cluster: Cluster) -> Verdict:
    object = "nodes"
    down = [node.name for node in cluster.nodes if not node.running]
    split = [node.name for node in cluster.nodes if node.partitions]
    evidence: dict[str, Scalar] = {
        "nodes": len(cluster.nodes),
        "down": ", ".join(down),
        "version": cluster.version,
    }
    if split:
        say = msg("the cluster is split, as seen by {nodes}", nodes=", ".join(split))
        return fail(say, object=object, cause="partition", severity=Severity.P0, evidence=evidence)
    if down or not cluster.nodes:
        say = msg("{nodes} does not run", nodes=", ".join(down) or "any node")
        return fail(say, object=object, cause="down", evidence=evidence)
    say = msg("{count} run, version {version}", count=len(cluster.nodes), version=cluster.version)
    return passed(say, object=object, evidence=evidence)


def _memory(cluster: Cluster, high: float) -> Verdict:
    object = "memory"
    alarmed = [node.name for node in cluster.nodes if node.memory_alarm]
    if alarmed:
        say = msg("{nodes} raised the alarm: publishers are stopped", nodes=", ".join(alarmed))
        return fail(say, object=object, cause="alarm", severity=Severity.P0)
    worst = max(_running(cluster), key=_share, default=None)
    if worst is None:
        return fail("no node tells of its memory", object=object, cause="down")
    percent = round(_share(worst), 1)
    evidence: dict[str, Scalar] = {"used": worst.memory_used, "watermark": worst.high_watermark}
    say = msg(
        "{node} uses {percent} % of {watermark}",
        node=worst.name,
        percent=percent,
        watermark=size_text(worst.high_watermark),
    )
    if percent > high:
        return warn(say, object=object, cause="high", evidence=evidence)
    return passed(say, object=object, evidence=evidence)


def _disk(cluster: Cluster, least: int) -> Verdict:
    object = "disk"
    alarmed = [node.name for node in cluster.nodes if node.disk_alarm]
    if alarmed:
        say = msg("{nodes} raised the alarm: publishers are stopped", nodes=", ".join(alarmed))
        return fail(say, object=object, cause="alarm", severity=Severity.P0)
    lowest = min(_running(cluster), key=lambda node: node.disk_limit, default=None)
    if lowest is None:
        return fail("no node tells of its disk", object=object, cause="down")
    limit, free = size_text(lowest.disk_limit), size_text(lowest.disk_free)
    evidence: dict[str, Scalar] = {"limit": lowest.disk_limit, "free": lowest.disk_free}
    if lowest.disk_limit < least:
        say = msg(
            "{node} goes on until {limit} are free, wanted: {least}",
            node=lowest.name,
            limit=limit,
            least=size_text(least),
        )
        return warn(say, object=object, cause="limit", evidence=evidence)
    return passed(
        msg("{free} free, publishers stop at {limit}", free=free, limit=limit),
        object=object,
        evidence=evidence,
    )


def _files(cluster: Cluster, least: int) -> Verdict:
    object = "files"
    lowest = min(_running(cluster), key=lambda node: node.files, default=None)
    if lowest is None:
        return fail("no node tells of its files", object=object, cause="down")
    evidence: dict[str, Scalar] = {"files": lowest.files, "used": lowest.files_used}
    say = msg("{node} may open {files} files", node=lowest.name, files=lowest.files)
    if 0 < lowest.files < least:
        return warn(say, object=object, cause="low", evidence=evidence)
    return passed(say, object=object, evidence=evidence)


def _queues(cluster: Cluster, most: int, unacked: int, allowed: tuple[str, ...]) -> Verdict:
    object = "queues"
    down = [each.name for each in cluster.queues if each.state not in ("running", "idle", "", "flow")]
    left = [
        each
        for each in cluster.queues
        if each.consumers == 0 and each.messages > most and each.name not in allowed
    ]
    late = [each for each in cluster.queues if each.unacked > unacked]
    evidence: dict[str, Scalar] = {
        "queues": cluster.queue_count,
        "unattended": len(left),
        "unacknowledged": sum(each.unacked for each in cluster.queues),
    }
    if down:
        return fail(
            msg("{names} are not running", names=_some(down)), object=object, cause="down", evidence=evidence
        )
    if left:
        say = msg(
            "nobody fetches from {names}", names=_some([f"{each.name} ({each.messages})" for each in left])
        )
        return fail(say, object=object, cause="unattended", evidence=evidence)
    if late:
        say = msg(
            "not acknowledged: {names}", names=_some([f"{each.name} ({each.unacked})" for each in late])
        )
        return warn(say, object=object, cause="unacknowledged", evidence=evidence)
    if cluster.hidden:
        say = msg(
            "{count} queues cannot be seen; needs: rabbitmqctl set_permissions -p <host> <user> '' '' ''",
            count=cluster.hidden,
        )
        return error(say, object=object, cause="denied", evidence=evidence)
    return passed(
        msg("{count} queues, all attended", count=cluster.queue_count), object=object, evidence=evidence
    )


def _running(cluster: Cluster) -> list[Node]:
    return [node for node in cluster.nodes if node.running]


def _share(node: Node) -> float:
    return 100.0 * node.memory_used / node.high_watermark if node.high_watermark else 0.0


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
