"""What arrives over HTTP, opened within bounds: headers and a body, gzip or plain, become an arrival."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from datetime import datetime

import msgspec

from checks.envelope import Seal
from checks.model import RunId
from server.ingest.arrival import Answer, Arrival, refuse


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request as it came; `sent_at` is the text of the agent's clock, empty without one."""

    agent: str
    run: str
    signature: str
    sent_at: str
    encoding: str
    body: bytes
    received_at: datetime


def open_delivery(delivery: Delivery, max_decompressed: int) -> Arrival | Answer:
    """The arrival in a request. `max_decompressed` bounds the body in bytes, whatever its encoding."""
    body: bytes | Answer = delivery.body
    if delivery.encoding == "gzip":
        body = _inflate(delivery.body, max_decompressed)
    if isinstance(body, Answer):
        return body
    if len(body) > max_decompressed:
        return _too_large(max_decompressed)
    try:
        run = msgspec.convert(delivery.run, RunId)
    except msgspec.ValidationError:
        return refuse(400, "not a run id", "the header Firstlight-Run holds a UUID of version 7")
    sent_at: datetime | None = None
    if delivery.sent_at:
        try:
            sent_at = datetime.fromisoformat(delivery.sent_at)
        except ValueError:
            sent_at = None
        if sent_at is None or sent_at.tzinfo is None:
            return refuse(400, "not a time", "the header Firstlight-Sent-At holds a time with its zone")
    seal = Seal(delivery.agent, run, hashlib.sha256(body).hexdigest(), delivery.signature)
    return Arrival(seal, body, delivery.received_at, sent_at)


def _too_large(limit: int) -> Answer:
    return refuse(413, "run too large", f"a run is at most {limit} bytes once decompressed")


def _inflate(body: bytes, limit: int) -> bytes | Answer:
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error:
        return refuse(400, "not gzip", "Content-Encoding says gzip, the body is not")
    if len(plain) > limit:
        return _too_large(limit)
    if not inflater.eof or inflater.unused_data:
        return refuse(400, "not gzip", "the compressed body is torn or followed by something else")
    return plain
