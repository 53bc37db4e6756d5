"""Fetching rules: an acknowledgement says that there are newer ones, and the next chance gets them.

Nothing here fails a run. What cannot be had is told in one line, and tried again with the next delivery.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from agent.durable import make_folder, write_quickly
from agent.identity import load_identity, read_key
from agent.paths import State
from checks.errors import BadInput, FirstlightError

if TYPE_CHECKING:
    from agent.identity import Identity


class Announced(msgspec.Struct, frozen=True):
    """What the collector said it has; `key` is the key (base64) that was pinned when it did."""

    key: str
    version: int


def announce(state: State, identity: Identity, version: int) -> None:
    """Note the version that an acknowledgement named. A convenience: the next one names it again."""
    if version <= 0 or not identity.sign_key:
        return
    said = Announced(identity.sign_key, version)
    if _announced(state) == said:
        return
    with suppress(OSError):
        make_folder(state.rules)
        write_quickly(state.rules_announced, msgspec.json.encode(said))


def waiting(state: State, identity: Identity) -> int:
    """The version that the collector has and this agent lacks; 0 where it lacks none."""
    from agent.rules import held

    said = _announced(state)
    if said is None or said.key != identity.sign_key:
        return 0
    try:
        have = held.load(state, identity)
    except BadInput:
        have = None
    return said.version if have is None or said.version > have.rules.version else 0


def refresh(state: State, *, ask: bool = False) -> str:
    """Get what an acknowledgement announced; says in one line what came of it, nothing where nothing was.

    With `ask` the collector is asked whatever it announced.
    """
    if not ask and _announced(state) is None:
        return ""
    try:
        identity = load_identity(state)
        if identity is None or not identity.sign_key or not (ask or waiting(state, identity)):
            return ""
        return _fetched(state, identity)
    except FirstlightError as error:
        said = " ".join(str(error).split())  # it may quote what came, and goes to a terminal
        return "rules of the collector not taken: " + "".join(
            c if c.isprintable() else "\ufffd" for c in said
        )
    except OSError as error:
        return f"rules of the collector not taken: {error.filename or state.rules}: {error.strerror}"


def _fetched(state: State, identity: Identity) -> str:
    from agent.config import load_config
    from agent.delivery import connect
    from agent.rules.intake import FILE_LIMIT, take
    from checks.signed import key_name, raw_key

    key = read_key(state.root / identity.key_file)
    named = key_name(raw_key(identity.sign_key))
    with connect(state, identity, load_config(state)) as uplink:
        data = uplink.rules(identity.agent, key, named, limit=FILE_LIMIT)
    return str(take(state, data)) if data else ""


def _announced(state: State) -> Announced | None:
    try:
        return msgspec.json.decode(state.rules_announced.read_bytes(), type=Announced)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
