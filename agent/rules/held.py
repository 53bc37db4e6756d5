"""The rules that this agent holds: the signed file as it came, and the key that it was believed by.

Rules belong to an enrolment: of another site, or believed by a key that is not pinned any more, they are not
in force.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from agent.durable import make_folder, write_durably
from agent.identity import Identity, load_identity
from agent.paths import State
from checks.errors import BadInput
from checks.rules import Rules
from checks.signed import parse


class Head(msgspec.Struct, frozen=True):
    """The first line of the file. `keys` are the pinned keys (base64) under which it is in force: the one
    that signed it, and the one that it announced.
    """

    keys: Annotated[tuple[str, ...], Meta(min_length=1, max_length=2)]
    taken_at: datetime


class Held(msgspec.Struct, frozen=True):
    """Rules and how they came to be believed."""

    head: Head
    rules: Rules


def in_force(state: State) -> Rules | None:
    """What the collector published for this site and this agent believes; None where that is nothing, or the
    file is damaged (`firstlight doctor` says so, and the next delivery fetches it again).
    """
    try:
        held = load(state, load_identity(state))
    except BadInput:
        return None
    return held.rules if held is not None else None


def load(state: State, identity: Identity | None) -> Held | None:
    """The rules in force for an identity; raises `BadInput` where the file is damaged."""
    if identity is None:
        return None
    try:
        data = state.rules_file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(f"{state.rules_file}: {error.strerror}") from error
    first, _, file = data.partition(b"\n")
    try:
        head = msgspec.json.decode(first, type=Head)
        rules = decode(parse(file, "rules").body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BadInput) as error:
        raise BadInput(
            f"{state.rules_file}: damaged ({error}); the next delivery fetches it again"
        ) from error
    if identity.sign_key not in head.keys or rules.site != identity.sites[0]:
        return None
    return Held(head, rules)


def decode(body: bytes) -> Rules:
    """The rules in a body; raises `BadInput`."""
    try:
        return msgspec.json.decode(body, type=Rules)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        said = " ".join(str(error).split())[:300]  # it may quote what came
        raise BadInput(f"not rules that this version knows ({said}); is this agent too old?") from error


def keep(state: State, file: bytes, keys: tuple[str, ...]) -> None:
    """Hold a signed file from now on, durably. Raises `OSError`."""
    state.prepare()
    make_folder(state.rules)
    head = msgspec.json.encode(Head(keys, datetime.now(UTC)))
    write_durably(state.rules_file, head + b"\n" + file)
