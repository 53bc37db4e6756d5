"""Enrolling a machine: a token becomes a key pair that the collector knows, and a place in its register."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent import __version__
from agent.config import load_config
from agent.durable import write_durably
from agent.identity import (
    Identity,
    drop_other_keys,
    fingerprint,
    host_name,
    install_id,
    load_identity,
    new_key,
    public_key,
    save_identity,
)
from agent.lock import exclusive
from agent.paths import State
from agent.spool import Spool, kept_or_loud
from agent.uplink import Uplink
from checks.envelope import Enrolled, Enrolment, seal
from checks.errors import BadInput, UplinkError
from checks.signed import raw_key

CA_FILE = "ca.pem"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The new identity, how many waiting runs were signed again, and how many nobody will take now."""

    identity: Identity
    signed_again: int
    orphaned: int


def enrol(state: State, url: str, token: str, *, target: str = "", ca: Path | None = None) -> Outcome:
    """Enrol this machine, or enrol it again: with a new key, under the ids it has.

    Nothing changes unless the collector agrees; an answer that got lost is asked for again with the same
    key. Raises `UplinkError`, `BadInput`, and `SpoolFull` where the identity cannot be written.
    """
    with kept_or_loud("the enrolment"):
        state.prepare()
        Spool(state.spool).prepare()
        with exclusive(state.delivery_lock, wait_s=60), exclusive(state.sequence_lock, wait_s=60):
            return _enrol(state, url, token, target, ca)


def _enrol(state: State, url: str, token: str, target: str, ca: Path | None) -> Outcome:
    config = load_config(state)
    before = load_identity(state)
    install = install_id(state)
    key_file, key = new_key(state)
    trusted = ca or _ca_of(state, before, url)
    request = Enrolment(
        token=token,
        public_key=base64.b64encode(public_key(key)).decode(),
        install=install,
        fingerprint=fingerprint(install),
        target=target or (before.target if before else host_name()),
        agent_version=__version__,
        agent=before.agent if before else "",
    )
    with Uplink(url, ca=trusted, connect_s=config.connect_timeout_s, read_s=config.read_timeout_s) as uplink:
        answer = uplink.enrol(request)
    if not answer.sites:
        raise UplinkError(f"{url} enrolled this machine for no site", permanent=True)
    if ca:
        write_durably(state.root / CA_FILE, _certificates(ca))
    identity = _identity(before, answer, request, url, key_file, CA_FILE if trusted else "")
    spool = Spool(state.spool)
    if before and before.agent == identity.agent and before.url == url and before.epoch != identity.epoch:
        spool.send_again(
            0, identity.agent
        )  # the store began a new life; it may have lost what was acknowledged
    save_identity(state, identity)
    drop_other_keys(state, key_file)
    signed = orphaned = 0
    for entry in spool.pending():
        try:
            envelope = spool.read(entry)
        except BadInput:
            continue  # delivery sets it aside and says so
        if envelope.seal.agent != identity.agent:
            orphaned += 1
            continue
        # The body keeps every byte; only who vouches for it is new.
        spool.reseal(entry, seal(identity.agent, entry.run, envelope.body, key))
        spool.release(entry)
        signed += 1
    return Outcome(identity, signed, orphaned)


def _identity(
    before: Identity | None, answer: Enrolled, request: Enrolment, url: str, key_file: str, ca_file: str
) -> Identity:
    known = before.targets if before and before.agent == answer.agent else {}
    fresh = Identity(
        agent=answer.agent,
        install=request.install,
        sites=answer.sites,
        target=answer.target,
        url=url,
        epoch=answer.epoch,
        fingerprint=request.fingerprint,
        key_file=key_file,
        targets=known | ({answer.target: answer.target_id} if answer.target_id else {}),
        ca_file=ca_file,
        profile=answer.profile,
        interval_s=answer.interval_s,
        sign_key=answer.sign_key,
        seal_key=answer.seal_key,
    )
    for key in filter(None, (fresh.sign_key, fresh.seal_key)):
        raw_key(key)
    return msgspec.convert(
        msgspec.to_builtins(fresh), Identity
    )  # what a collector says is checked like a file


def _ca_of(state: State, before: Identity | None, url: str) -> Path | None:
    """The certificates given at an earlier enrolment with the same collector."""
    if before and before.ca_file and before.url == url:
        return state.root / before.ca_file
    return None


def _certificates(path: Path) -> bytes:
    text = path.read_bytes()
    if b"-----BEGIN CERTIFICATE-----" not in text:
        raise BadInput(f"--ca {path}: holds no certificate in PEM form")
    return text
