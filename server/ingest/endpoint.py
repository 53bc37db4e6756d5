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
from server.ingest.writer import Writer
from server.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PATH = "/api/v1/runs"
SLOWEST_BODY_S = 60.0
RETRY_AFTER_S = 5


class Endpoint:
    """The route that agents deliver runs to."""

    def __init__(self, writer: Writer, settings: Settings, clock: Clock) -> None:
        self._writer, self._settings, self._clock = writer, settings, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(scope, receive)
        await _send(send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        headers = {bytes(name).lower(): bytes(value).decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refuse_by_headers(headers)
        if refusal is not None:
            return refusal
        try:
            body = await asyncio.wait_for(self._read(receive), SLOWEST_BODY_S)
        except TimeoutError:
            return refuse(408, "too slow", f"the body did not come within {SLOWEST_BODY_S:.0f} s", hold=True)
        if isinstance(body, Answer):
            return body
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

        self._writer.submit(delivery, reply)
        return await answered

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
            return self._too_large()
        return None

    def _too_large(self) -> Answer:
        return refuse(413, "run too large", f"a request is at most {self._settings.max_body} bytes")

    async def _read(self, receive: Receive) -> bytes | Answer:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return refuse(400, "torn request", "the connection closed before the body was complete")
            part = message.get("body", b"")
            size += len(part)
            if size > self._settings.max_body:
                return self._too_large()
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)


def _settle(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)


async def _send(send: Send, answer: Answer) -> None:
    if answer.ack is not None:
        kind, body = b"application/json", msgspec.json.encode(answer.ack)
    else:
        kind, body = b"application/problem+json", msgspec.json.encode(answer.problem)
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if answer.status in (429, 503):
        headers.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
