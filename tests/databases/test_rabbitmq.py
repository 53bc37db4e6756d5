"""RabbitMQ, a real node: alarms, queues, and logins of all kinds. It takes half a minute to start."""

from __future__ import annotations

import time
from typing import Any

import pytest
from database_servers import PASSWORD, Rabbit
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.localhost import LocalHost
from checks.facts.permitted import Permitted
from checks.facts.rabbitmq import Cluster, RabbitHealth, read_cluster
from checks.library.rmq import rabbit_health

DB = "env:FL_DB"


def read(rabbit: Rabbit, user: str = "mon", password: str = DB) -> Cluster:
    fact = RabbitHealth(rabbit.url, user, password)
    cluster: Cluster = fact.read(Permitted(LocalHost(), fact))
    return cluster


def judged(cluster: Cluster) -> dict[str, tuple[str, str]]:
    verdicts = rabbit_health(cluster, url="", user="", password="")
    assert isinstance(verdicts, list)
    return {str(each.object): (str(each.status), each.cause) for each in verdicts}


def until(rabbit: Rabbit, there: Any) -> Cluster:
    """What is read once `there` says that it has come: a node's figures are some seconds old."""
    cluster = read(rabbit)
    for _ in range(100):
        if there(cluster):
            return cluster
        time.sleep(0.2)
        cluster = read(rabbit)
    raise AssertionError(cluster)


def test_a_node_its_logins_and_its_queues(rabbitmq: Rabbit) -> None:
    """One test, because each worker that has one of several would start a node of its own."""
    rabbitmq.call("PUT", "/api/queues/%2f/orders", {"durable": True})
    message = {"properties": {}, "routing_key": "orders", "payload": "x", "payload_encoding": "string"}
    rabbitmq.call("POST", "/api/exchanges/%2f/amq.default/publish", message)

    # A queue that the login may not see is no queue that is well.
    cluster = until(rabbitmq, lambda seen: seen.hidden == 1)
    assert cluster.queues == ()
    assert judged(cluster)["queues"] == ("error", "denied")

    rabbitmq.call("PUT", "/api/permissions/%2f/mon", {"configure": "", "write": "", "read": ""})
    cluster = until(rabbitmq, lambda seen: seen.queues and seen.queues[0].consumers == 0)
    (queue,) = cluster.queues
    assert (queue.name, queue.messages, queue.state) == ("/orders", 1, "running")
    assert (cluster.queue_count, cluster.hidden) == (1, 0)
    (node,) = cluster.nodes
    assert (node.running, node.memory_alarm, node.disk_alarm, node.partitions) == (True, False, False, ())
    assert node.disk_limit == 64_000_000
    assert node.high_watermark > node.memory_used > 0
    assert judged(cluster)["queues"] == ("fail", "unattended")
    assert judged(cluster)["disk"] == ("warn", "limit")
    assert judged(cluster)["nodes"] == ("pass", "")
    assert cluster.version[0].isdigit()

    for user, password, cause, said in (
        ("mon", "env:FL_WRONG", "login", "refuses the login of mon"),
        ("app", DB, "denied", "needs: rabbitmqctl set_user_tags app monitoring"),
        ("mon", "env:FL_NOT_SET", "failed", "FL_NOT_SET is not set"),
    ):
        with pytest.raises(NotReadable) as problem:
            read(rabbitmq, user, password)
        assert problem.value.cause == cause
        assert said in problem.value.reason
        assert PASSWORD not in problem.value.reason


def test_a_port_nobody_listens_on() -> None:
    with pytest.raises(NotReadable) as problem:
        RabbitHealth("http://127.0.0.1:1", "mon", DB).read(LocalHost())
    assert problem.value.cause == "refused"


def test_a_password_that_is_given_and_not_named_is_refused() -> None:
    for url, password in (("http://mon:hunter2@mq1", ""), ("http://mq1", "hunter2")):
        with pytest.raises(BadInput) as told:
            RabbitHealth(url, "mon", password)
        assert "hunter2" not in str(told.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["items", "name", "mem_used", "partitions", "messages", "total_count"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON, JSON, JSON)
def test_any_answer_is_read_or_refused(overview: object, nodes: object, queues: object) -> None:
    try:
        cluster = read_cluster(overview, nodes, queues)
    except NotReadable as problem:
        assert problem.cause == "parse"
    else:
        assert isinstance(cluster, Cluster)
