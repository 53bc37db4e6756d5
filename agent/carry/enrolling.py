"""Enrolling where no network reaches the collector: a file that asks, and the file that answers it.

No token is needed, because whoever has the file enrolled at the collector's own machine vouches for it. The
answer is believed for the key it is signed with, so both sides print that key's name to be compared.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from agent import __version__, retry
from agent.address import checked_url
from agent.carry.export import new_file, sound_place
from agent.contact import last_hash
from agent.enrolment_answer import checked_answer, identity_of
from agent.identity import (
    Identity,
    drop_other_keys,
    fingerprint,
    host_name,
    install_id,
    load_identity,
    looks_cloned,
    new_key,
    public_key,
    read_key,
    save_identity,
)
from agent.lock import exclusive
from agent.paths import State
from agent.redaction.at_site import enrolled_as
from agent.renewal import forget, load_renewal, sign_again
from agent.sequence import last_given
from agent.spool import Spool, kept_or_loud
from checks.carried import EnrolledByFile
from checks.envelope import Enrolment
from checks.errors import BadInput, FirstlightError, UplinkError
from checks.signed import key_name, parse, raw_key, sign, signer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The identity that an answer settled, the name of the collector's key, and how many waiting runs were
    signed again.
    """

    identity: Identity
    collector_key: str
    signed_again: int


def ask_for_enrolment(state: State, target: str = "") -> tuple[bytes, str]:
    """The bytes of a file that asks a collector to enrol this machine, and the name of the machine's new key.

    The private key stays here, beside the one in use, until the answer comes; asked again it is the same.
    Raises `SpoolFull` where that key cannot be kept, `BadInput` where a copied identity is here.
    """
    with kept_or_loud("the new key"):
        state.prepare()
        with exclusive(state.delivery_lock, wait_s=60), exclusive(state.sequence_lock, wait_s=60):
            before = load_identity(state)
            if before and (doubt := looks_cloned(before)):
                raise BadInput(f"{doubt}; without a network: begin with an empty state folder")
            begun = load_renewal(state)
            _, key = new_key(state, but=begun.key_file if begun else "")
            request = _request(state, before, key, target)
    body = msgspec.json.encode(request)
    return sign("enrolment", request.install, body, key).to_bytes(), key_name(public_key(key))


def take_enrolment(state: State, data: bytes) -> Enrolled:
    """Become the agent that a collector's answer says, if it answers a file of this machine.

    A machine that is enrolled already believes the collector it knows and no other. Raises `BadInput`, and
    `SpoolFull` where the identity cannot be written.
    """
    file = parse(data, "enrolled")
    try:
        told = msgspec.json.decode(file.body, type=EnrolledByFile)
        url = checked_url(told.collector, insecure_http=True)
        answer = checked_answer(url, told.answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, UplinkError) as error:
        raise BadInput(f"an enrolment that cannot be used: {error}") from error
    if not answer.sign_key or signer(file, [raw_key(answer.sign_key)]) is None:
        raise BadInput("an enrolment that cannot be used: it is not signed with the key that it names")
    with kept_or_loud("the enrolment"):
        state.prepare()
        spool = Spool(state.spool)
        spool.prepare()
        with exclusive(state.delivery_lock, wait_s=60), exclusive(state.sequence_lock, wait_s=60):
            before = load_identity(state)
            if before and before.sign_key and before.sign_key != answer.sign_key:
                raise BadInput(
                    f"signed by another collector than the one this machine is enrolled with ({before.url}); "
                    "nothing was changed"
                )
            key_file, key = _key_of(state, told)
            if before and (before.agent, before.key_file) == (answer.agent, key_file):
                return Enrolled(before, key_name(raw_key(answer.sign_key)), 0)  # taken in before
            request = _request(state, before, key, answer.target)
            ca_file = before.ca_file if before and before.url == url else ""
            identity = identity_of(before, answer, request, url, key_file, ca_file)
            if before and before.agent == identity.agent and before.epoch != identity.epoch:
                spool.send_again(0, identity.agent)
            save_identity(state, identity)
            drop_other_keys(state, key_file)
            forget(state)
            retry.forget(state)
            signed, _ = sign_again(spool, identity.agent, key)
    return Enrolled(identity, key_name(raw_key(answer.sign_key)), signed)


def _request(state: State, before: Identity | None, key: Ed25519PrivateKey, target: str) -> Enrolment:
    """What the file asks. The caller holds the sequence lock."""
    install = install_id(state)
    last = last_given(state, before.agent if before else "")
    # Where the identity was lost, the counter of runs still knows the agent that those waiting belong to.
    agent = before.agent if before else (last.agent if last else "")
    return Enrolment(
        token="",
        public_key=base64.b64encode(public_key(key)).decode(),
        install=install,
        fingerprint=fingerprint(install),
        target=target or enrolled_as(state, before.target if before else host_name()),
        agent_version=__version__,
        agent=agent,
        last=last_hash(state, agent),
    )


def _key_of(state: State, told: EnrolledByFile) -> tuple[str, Ed25519PrivateKey]:
    """The key that was asked with; raises `BadInput` where this machine has it not."""
    if told.install == install_id(state):
        for path in sorted(state.root.glob("key-*.pem")):
            with suppress(FirstlightError):
                key = read_key(path)
                if base64.b64encode(public_key(key)).decode() == told.public_key:
                    return path.name, key
    raise BadInput(
        "answers a file that this machine did not write, or one from before it was enrolled otherwise; "
        "firstlight export --enrolment FILE writes a new one"
    )


def write_request(state: State, where: Path, data: bytes, *, force: bool) -> Path:
    """Write the file that asks, into `where` or the folder `where`; raises `BadInput`, `FirstlightError`."""
    if where.is_dir():
        where = where / f"firstlight-{install_id(state)[:16]}.enrolment"
    with new_file(sound_place(where, state, force=force)) as file:
        file.write(data)
    return where
