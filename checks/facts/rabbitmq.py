"""How a RabbitMQ cluster is, told by its management API: nodes with their alarms, and queues."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask
from checks.facts.http import Fetch, refuse_secret_url
from checks.facts.named_secret import refuse_unnamed

if TYPE_CHECKING:
    from checks.facts.host import Host
    from checks.facts.http import Said

MAX_TIMEOUT_S: Final = 30.0
QUEUES: Final = 500
"""Queues that are asked for, those with the most messages first."""

_NODES: Final = "/api/nodes"
_OVERVIEW: Final = "/api/overview"
_QUEUES: Final = (
    f"/api/queues?page=1&page_size={QUEUES}&sort=messages&sort_reverse=true&pagination=true"
    "&columns=name,vhost,messages,messages_ready,messages_unacknowledged,consumers,state,exclusive"
)


class Node(msgspec.Struct, frozen=True):
    """A node of the cluster; sizes in bytes, `high_watermark` of the memory that it may use."""

    name: str
    running: bool
    memory_alarm: bool = False
    disk_alarm: bool = False
    memory_used: int = 0
    high_watermark: int = 0
    disk_free: int = 0
    disk_limit: int = 0
    files_used: int = 0
    files: int = 0
    partitions: tuple[str, ...] = ()


class Queue(msgspec.Struct, frozen=True):
    """A queue with messages in it, or one that is not well: `name` is ``virtual host/queue``."""

    name: str
    messages: int = 0
    unacked: int = 0
    consumers: int | None = None
    state: str = ""


class Cluster(msgspec.Struct, frozen=True):
    """What `RabbitHealth` reads. Of `queue_count` queues those with messages are told of, at most 500;
    `hidden` are in virtual hosts that the login may not see."""

    version: str
    nodes: tuple[Node, ...]
    queues: tuple[Queue, ...]
    queue_count: int
    hidden: int = 0


@fact
class RabbitHealth(Fact, frozen=True):
    """What `rmq.health` judges; `url` is that of the management API, ``http://mq1:15672``.

    Raises `BadInput` for a URL that holds a login, and for a password that is not named but given.
    """

    value_type: ClassVar[type] = Cluster
    deadline_s: ClassVar[float] = 3 * MAX_TIMEOUT_S + 10.0
    url: str
    user: str
    password: str
    verify: bool | str = True
    ca: str = ""
    timeout: float | str = 5.0

    def __post_init__(self) -> None:
        refuse_secret_url(self.url)
        refuse_unnamed(self.password, "RabbitMQ (password)")

    def describe(self) -> str:
        return (
            f"GET {', '.join(path.partition('?')[0] for path in (_OVERVIEW, _NODES, _QUEUES))} of {self.url}"
        )

    def asks(self) -> tuple[Ask, ...]:
        return tuple(map(self._fetch, (_OVERVIEW, _NODES, _QUEUES)))

    def grants(self) -> tuple[str, ...]:
        return (
            f"rabbitmqctl set_user_tags {self.user} monitoring",
            f"rabbitmqctl set_permissions -p / {self.user} '' '' ''",
        )

    def read(self, host: Host) -> Cluster:
        host.want(self.asks())
        overview = self._answer(host, _OVERVIEW)
        nodes = self._answer(host, _NODES)
        queues = self._answer(host, _QUEUES)
        return read_cluster(overview, nodes, queues)

    @classmethod
    def settled(cls, value: Cluster) -> dict[str, Any]:
        """Version, and which nodes run; what queues hold never stands still."""
        return {"version": value.version, "nodes": {node.name: node.running for node in value.nodes}}

    def _fetch(self, path: str) -> Fetch:
        timeout = 5.0 if isinstance(self.timeout, str) else min(max(float(self.timeout), 0.1), MAX_TIMEOUT_S)
        return Fetch(
            self.url.rstrip("/") + path,
            follow=False,
            verify=self.verify,
            ca=self.ca,
            user=self.user,
            password=self.password,
            timeout=timeout,
        )

    def _answer(self, host: Host, path: str) -> Any:
        said: Said = host.talk(self._fetch(path))
        if said.outcome != "answered":
            raise NotReadable(
                f"{self.url}: {said.detail or said.outcome}", _CAUSES.get(said.outcome, "failed")
            )
        if said.status == 401:
            if b"not management" in said.body.lower():
                raise NotReadable(f"needs: {self.grants()[0]}", "denied")
            raise NotReadable(f"{self.url} refuses the login of {self.user}", "login")
        if said.status == 403:
            raise NotReadable(f"needs: {self.grants()[0]}", "denied")
        if said.status != 200:
            raise NotReadable(f"{self.url} answers {said.status}; is it the management API?", "failed")
        if said.cut:
            raise NotReadable(f"the answer of {self.url} is larger than 1 MiB", "too-large")
        try:
            return msgspec.json.decode(said.body)
        except (msgspec.MsgspecError, RecursionError) as problem:
            raise NotReadable(f"{self.url} gives no JSON: {problem}", "parse") from problem


_CAUSES: Final = {name: name for name in ("refused", "timeout", "dns", "no-route", "tls")}


def read_cluster(overview: object, nodes: object, queues: object) -> Cluster:
    """The three answers in one form. Raises `NotReadable` (parse) where they are of another."""
    listed = queues.get("items") if isinstance(queues, dict) else queues
    if not isinstance(overview, dict) or not isinstance(nodes, list) or not isinstance(listed, list):
        raise NotReadable("the management API answers something else than it should", "parse")
    told = _whole(queues.get("total_count")) if isinstance(queues, dict) else len(listed)
    totals = overview.get("object_totals")
    all_there_are = _whole(totals.get("queues")) if isinstance(totals, dict) else told
    return Cluster(
        str(overview.get("rabbitmq_version", "")),
        tuple(_node(each) for each in nodes if isinstance(each, dict)),
        tuple(_queue(each) for each in listed if isinstance(each, dict) and _tells(each)),
        told,
        max(0, all_there_are - told),
    )


def _node(given: Mapping[str, object]) -> Node:
    partitions = given.get("partitions")
    return Node(
        str(given.get("name", "")),
        given.get("running") is True,
        given.get("mem_alarm") is True,
        given.get("disk_free_alarm") is True,
        _whole(given.get("mem_used")),
        _whole(given.get("mem_limit")),
        _whole(given.get("disk_free")),
        _whole(given.get("disk_free_limit")),
        _whole(given.get("fd_used")),
        _whole(given.get("fd_total")),
        tuple(str(each) for each in partitions) if isinstance(partitions, list) else (),
    )


def _tells(given: Mapping[str, object]) -> bool:
    """Whether a queue is worth being told of: an empty one that runs is not."""
    healthy = given.get("state") in ("running", "idle", None)
    return given.get("exclusive") is not True and (_whole(given.get("messages")) > 0 or not healthy)


def _queue(given: Mapping[str, object]) -> Queue:
    name = re.sub(r"[\x00-\x1f\x7f]", "?", f"{given.get('vhost', '')}/{given.get('name', '')}")[:300]
    consumers = given.get("consumers")
    return Queue(
        name.replace("//", "/", 1),
        _whole(given.get("messages")),
        _whole(given.get("messages_unacknowledged")),
        consumers if isinstance(consumers, int) else None,
        str(given.get("state") or ""),
    )


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | float) and abs(value) < 2**62 else 0
