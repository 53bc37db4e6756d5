"""A new key for this agent, which the present one vouches for; no token and no person is needed."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import msgspec

from agent.config import load_config
from agent.delivery import connect
from agent.identity import Identity, drop_other_keys, enrolled, public_key, read_key, save_identity
from agent.lock import Busy, exclusive
from agent.paths import State
from agent.renewal import Renewal, begin, forget, load_renewal, sign_again
from agent.sequence import last_given
from agent.ship import newest
from agent.spool import Spool, kept_or_loud
from agent.uplink import Uplink
from checks.envelope import KeyChange, keys_path
from checks.errors import FirstlightError, UplinkError
from checks.signed import sign_request


@dataclass(frozen=True, slots=True)
class Rotated:
    """The identity with its new key, and how many waiting runs were signed again with it."""

    identity: Identity
    signed_again: int


def rotate(state: State) -> Rotated:
    """Make a new key pair and have the collector trust it, or go on with a rotation that was cut off.

    Raises `UplinkError`, `BadInput` where this machine is not enrolled, and `SpoolFull`. Whatever happens,
    the agent goes on: with the old key until the collector has answered, and each delivery asks again.
    """
    enrolled(state)  # before there is a folder to lock in
    with (
        kept_or_loud("the new key"),
        exclusive(state.delivery_lock, wait_s=60),
        exclusive(state.sequence_lock, wait_s=60),
    ):
        identity = enrolled(state)
        Spool(state.spool).prepare()
        begun = begin(state, "rotate", used=identity.key_file)
        with connect(state, identity, load_config(state)) as uplink:
            return _finish(state, identity, begun, uplink)


def finish_rotation(state: State, identity: Identity, uplink: Uplink) -> Identity:
    """The identity to deliver with: under its new key where a rotation that was cut off can be finished.

    The caller holds the delivery lock. Never fails: with the old key the collector itself says what is wrong.
    """
    begun = load_renewal(state)
    if begun is None:
        return identity
    try:
        with exclusive(state.sequence_lock, wait_s=10):
            return _finish(state, identity, begun, uplink).identity
    except UplinkError as error:
        if error.permanent:
            forget(state, "rotate")
            (state.root / begun.key_file).unlink(missing_ok=True)
    except (FirstlightError, Busy, OSError):
        pass
    return identity


def _finish(state: State, identity: Identity, begun: Renewal, uplink: Uplink) -> Rotated:
    key = read_key(state.root / begun.key_file)
    spool = Spool(state.spool)
    if begun.key_file != identity.key_file:
        _announce(state, identity, begun, uplink, spool)
        identity = msgspec.structs.replace(identity, key_file=begun.key_file)
        save_identity(state, identity)
    signed, _ = sign_again(spool, identity.agent, key)
    drop_other_keys(state, identity.key_file)
    forget(state, "rotate")
    return Rotated(identity, signed)


def _announce(state: State, identity: Identity, begun: Renewal, uplink: Uplink, spool: Spool) -> None:
    """Tell the collector of the new key; returns once it trusts it."""
    old, new = read_key(state.root / identity.key_file), read_key(state.root / begun.key_file)
    last = last_given(state, identity.agent) or newest(state, spool, identity.agent)
    text = base64.b64encode(public_key(new)).decode()
    number = last.sequence if last is not None else 0
    body = msgspec.json.encode(KeyChange(text, number))
    signatures = [
        sign_request(identity.agent, "POST", keys_path(identity.agent), body, key) for key in (old, new)
    ]
    answer = uplink.change_key(identity.agent, body, *signatures)
    if (answer.agent, answer.public_key) != (identity.agent, text):
        raise UplinkError(f"{identity.url} answered for another key", permanent=False)
