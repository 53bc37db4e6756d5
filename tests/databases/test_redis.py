"""Redis, a real one in several settings, and what calls itself so."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import database_servers as servers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.localhost import LocalHost
from checks.facts.permitted import Permitted
from checks.facts.redis import RedisHealth, RedisState, info_of
from checks.facts.resp import RedisError, Replies
from checks.library.redis import redis_health

DB = "env:FL_DB"


def read(port: int, password: str = "", host: str = "127.0.0.1", **more: Any) -> RedisState:
    fact = RedisHealth(host, port, more.pop("user", ""), password, **more)
    state: RedisState = fact.read(Permitted(LocalHost(), fact))
    return state


def refused(port: int, password: str = "", **more: Any) -> NotReadable:
    with pytest.raises(NotReadable) as problem:
        read(port, password, **more)
    assert servers.PASSWORD not in problem.value.reason
    return problem.value


def judged(state: RedisState, **parameters: Any) -> dict[str, str]:
    verdicts = redis_health(state, now=datetime.now(UTC), **parameters)
    assert isinstance(verdicts, list)
    return {str(verdict.object): str(verdict.status) for verdict in verdicts}


def test_an_open_server_on_loopback() -> None:
    with servers.redis("--maxmemory", "64mb") as server:
        state = read(server.port)
        named = read(server.port, DB)
    assert (state.unknown, state.bind, state.protected, state.role) == (
        "open",
        ("127.0.0.1",),
        True,
        "master",
    )
    assert (state.maxmemory, state.policy, state.denied) == (64 * 1024 * 1024, "noeviction", {})
    assert (state.saves, state.appends, state.saved_well) == (False, False, True)
    assert state.version.split(".")[0].isdigit()
    assert state.used > 0
    assert named.unknown == "open"  # a password that nobody asked for is no failure
    assert judged(state) == {"access": "warn", "memory": "pass", "persistence": "pass"}


def test_an_open_server_on_every_address_is_what_must_not_be() -> None:
    with servers.redis("--protected-mode", "no", "--maxmemory", "64mb", address="0.0.0.0") as server:
        state = read(server.port)
    assert (state.unknown, state.bind, state.protected) == ("open", ("0.0.0.0",), False)
    assert judged(state)["access"] == "fail"


def test_protected_mode_lets_in_this_machine_only() -> None:
    with servers.redis(address="0.0.0.0") as server:
        state = read(server.port)
    assert judged(state)["access"] == "warn"


def test_a_password_is_asked_for_and_the_right_one_opens() -> None:
    with servers.redis("--requirepass", servers.PASSWORD, "--maxmemory", "64mb") as server:
        unnamed, right = read(server.port), read(server.port, DB)
        wrong = refused(server.port, "env:FL_WRONG")
    assert unnamed.unknown == "password"
    assert judged(unnamed) == {"access": "pass", "memory": "error", "persistence": "error"}
    assert judged(right) == {"access": "pass", "memory": "pass", "persistence": "pass"}
    assert (wrong.cause, wrong.reason.split()[0]) == ("login", "WRONGPASS")
    assert servers.PASSWORD not in repr(right)


def test_a_user_of_an_access_list_that_may_only_what_the_plan_prints() -> None:
    with servers.redis("--maxmemory", "64mb") as server:
        server.administer(f"ACL SETUSER mon on >{servers.PASSWORD} +ping +info +config|get")
        server.administer(f"ACL SETUSER less on >{servers.PASSWORD} +ping +info")
        server.administer(f"ACL SETUSER least on >{servers.PASSWORD} +ping")
        server.administer("ACL SETUSER default off")
        enough, less = read(server.port, DB, user="mon"), read(server.port, DB, user="less")
        least = read(server.port, DB, user="least")
    assert RedisHealth("h", 1, "mon").grants()[0].endswith("+ping +info +config|get")
    assert (enough.unknown, enough.denied) == ("password", {})
    assert enough.bind == ("127.0.0.1",)
    assert (less.bind, set(less.denied)) == (None, {"CONFIG"})
    assert less.denied["CONFIG"].startswith("NOPERM")
    assert judged(less) == {"access": "pass", "memory": "pass", "persistence": "pass"}
    assert set(least.denied) == {"INFO", "CONFIG"}
    assert judged(least) == {"access": "pass", "memory": "error", "persistence": "error"}


def test_a_command_that_was_renamed_away() -> None:
    with servers.redis("--rename-command", "CONFIG", "", "--requirepass", servers.PASSWORD) as server:
        state = read(server.port, DB)
    assert state.bind is None
    assert "unknown command" in state.denied["CONFIG"]
    assert judged(state, persistence="rdb")["persistence"] == "error"


def test_snapshots_and_the_append_only_file() -> None:
    with servers.redis("--save", "900 1", "--appendonly", "yes") as server:
        state = read(server.port)
        assert (state.saves, state.appends, state.appended_well) == (True, True, True)
        folder = server.administer("CONFIG GET dir").splitlines()[1]
        server.administer("CONFIG SET dbfilename no/such/folder" if not folder else "SET a b")
        server.administer("SAVE")
        assert read(server.port).last_save >= state.last_save


def test_tls_is_verified() -> None:
    with servers.redis(tls=True) as server:
        right = read(server.port, host="localhost", tls="verify", ca=server.ca)
        assert right.unknown == "open"
        assert read(server.port, tls="require").unknown == "open"
        assert refused(server.port, tls="verify", ca=server.ca).cause == "tls"
        assert refused(server.port, host="localhost", tls="verify").cause == "tls"
        assert refused(server.port).cause == "lost"


def test_nobody_there_and_nobody_of_that_name() -> None:
    assert refused(1).cause == "refused"
    assert refused(6379, host="nowhere.invalid").cause == "dns"


# ---- what is no Redis


@contextmanager
def saying(*answers: bytes, end: bool = True) -> Iterator[int]:
    """A server that says these things, one after each thing it hears, and then ends or stays silent."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        with closing(listener.accept()[0]) as link:
            for answer in answers:
                if not link.recv(65536):
                    return
                link.sendall(answer)
            if not end:
                over.wait(30)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with closing(listener):
        yield listener.getsockname()[1]
        over.set()
        thread.join(10)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "parse"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "parse"),
        (b"$99999999999\r\n", "too-large"),
        (b"*99999999\r\n", "too-large"),
        (b"*1\r\n" * 50, "too-large"),
        (b"x" * 600_000, "too-large"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "starting"),
        (b"", "lost"),
    ],
)
def test_what_is_no_redis_is_told(answer: bytes, cause: str) -> None:
    with saying(answer) as port:
        assert refused(port, timeout=10.0).cause == cause


def test_a_server_that_takes_the_connection_and_says_nothing_times_out() -> None:
    with saying(end=False) as port:
        problem = refused(port, timeout=0.3)
    assert (problem.cause, problem.reason) == ("timeout", "no answer within 0.3 s")


class Given:
    """A socket that holds these bytes, some at a time."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def recv(self, size: int) -> bytes:
        part, self.left = self.left[: min(size, 7)], self.left[min(size, 7) :]
        return part


@given(st.binary(max_size=300) | st.text(alphabet="*$:+-0123456789\r\nabc", max_size=80).map(str.encode))
def test_any_bytes_are_a_reply_or_declared_trouble(data: bytes) -> None:
    replies = Replies(Given(data))  # type: ignore[arg-type]
    with suppress(NotReadable, RedisError):
        replies.next()


@given(st.text(max_size=300))
def test_any_text_is_taken_for_info(text: str) -> None:
    assert all(isinstance(value, str) for value in info_of(text).values())
