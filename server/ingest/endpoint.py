"""``POST /api/v1/runs`` as a raw ASGI application in front of the rest: read, queue, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from checks.envelope import HEADER_AGENT, HEADER_RUN, HEADER_SENT_AT, HEADER_SIGNATURE
from server.clock import Clock
from server.ingest.arrival import Answer, refuse
from server.ingest.delivery import Delivery
from server.ingest.pace import Pace
from server.ingest.writer import Writer
from server.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PATH = "/api/v1/runs"
SLOWEST_BODY_S = 60.0


class Endpoint:
    """The route that agents deliver runs to."""

    def __init__(self, writer: Writer, settings: Settings, clock: Clock, pace: Pace | None = None) -> None:
        self._writer, self._settings, self._clock = writer, settings, clock
        self._pace = pace or Pace()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {bytes(name).lower(): bytes(value).decode("latin-1") for name, value in scope["headers"]}
        answer = await self._answer(headers, receive)
        agent = headers.get(HEADER_AGENT.lower().encode(), "")
        wait: int | None = None
        if answer.status in (429, 503):
            self._pace.turn_away(agent)
            wait = self._pace.retry_after_s(agent)
        await _send(send, answer, wait)

    async def _answer(self, headers: dict[bytes, str], receive: Receive) -> Answer:
        refusal = self._refuse_by_headers(headers)
        if refusal is not None:
            return refusal
        if self._pace.full:
            return refuse(
                429, "too many at once", "the run was not read; come again a little later", hold=True
            )
        reading = _Reading(self._pace, self._settings.max_body)
        try:
            body = await asyncio.wait_for(reading.whole(receive), SLOWEST_BODY_S)
            return body if isinstance(body, Answer) else await self._take(headers, body)
        except TimeoutError:
            return refuse(408, "too slow", f"the body did not come within {SLOWEST_BODY_S:.0f} s", hold=True)
        finally:
            reading.forget()

    async def _take(self, headers: dict[bytes, str], body: bytes) -> Answer:
        delivery = Delivery(
            agent=headers[HEADER_AGENT.lower().encode()],
            run=headers[HEADER_RUN.lower().encode()],
            signature=headers[HEADER_SIGNATURE.lower().encode()],
            sent_at=headers.get(HEADER_SENT_AT.lower().encode(), ""),
            encoding=headers.get(b"content-encoding", "identity").lower(),
            body=body,
            received_at=self._clock(),
        )
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()

        def reply(answer: Answer) -> None:
            loop.call_soon_threadsafe(_settle, answered, answer)

        self._pace.enter(delivery.agent)
        try:
            self._writer.submit(delivery, reply)
            return await answered
        finally:
            self._pace.leave()

    def _refuse_by_headers(self, headers: dict[bytes, str]) -> Answer | None:
        kind = headers.get(b"content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return refuse(415, "not JSON", f"Content-Type is {kind or 'missing'}; application/json is right")
        encoding = headers.get(b"content-encoding", "identity").lower()
        if encoding not in ("gzip", "identity"):
            return refuse(
                415, "unknown encoding", f"Content-Encoding is {encoding[:40]}; gzip or none is right"
            )
        for name in (HEADER_AGENT, HEADER_RUN, HEADER_SIGNATURE):
            if not headers.get(name.lower().encode()):
                return refuse(401, "unsigned run", f"the header {name} is missing")
        length = headers.get(b"content-length", "0")
        if not length.isdecimal() or int(length) > self._settings.max_body:
            return _too_large(self._settings.max_body)
        return None


class _Reading:
    """A body on its way in; its bytes count to what is held until it is forgotten."""

    def __init__(self, pace: Pace, limit: int) -> None:
        self._pace, self._limit, self._size = pace, limit, 0

    async def whole(self, receive: Receive) -> bytes | Answer:
        parts: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return refuse(400, "torn request", "the connection closed before the body was complete")
            part = message.get("body", b"")
            self._size += len(part)
            self._pace.bytes += len(part)
            if self._size > self._limit:
                return _too_large(self._limit)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def forget(self) -> None:
        self._pace.bytes -= self._size
        self._size = 0


def _too_large(limit: int) -> Answer:
    return refuse(413, "run too large", f"a request is at most {limit} bytes")


def _settle(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)


async def _send(send: Send, answer: Answer, retry_after_s: int | None) -> None:
    if answer.ack is not None:
        kind, body = b"application/json", msgspec.json.encode(answer.ack)
    else:
        kind, body = b"application/problem+json", msgspec.json.encode(answer.problem)
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if retry_after_s is not None:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
