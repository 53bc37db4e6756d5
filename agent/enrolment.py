"""Enrolling a machine: a token becomes a key pair that the collector knows, and a place in its register."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from agent import __version__, retry
from agent.config import load_config
from agent.contact import last_hash
from agent.delivery import uplink_to
from agent.durable import write_durably
from agent.enrolment_answer import checked_answer, identity_of
from agent.identity import (
    Identity,
    drop_other_keys,
    fingerprint,
    host_name,
    install_id,
    load_identity,
    looks_cloned,
    public_key,
    read_key,
    save_identity,
)
from agent.lock import exclusive
from agent.paths import State
from agent.redaction.at_site import enrolled_as
from agent.renewal import begin, forget, sign_again
from agent.sequence import last_given
from agent.spool import Spool, kept_or_loud
from checks.envelope import Enrolment
from checks.errors import BadInput, UplinkError
from checks.signed import key_name, raw_key

CA_FILE = "ca.pem"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The new identity and what became of the runs that waited: signed again, nobody's now (`orphaned`),
    or set aside because this is no longer the agent that made them. `other_keys` says in words that the
    collector has other keys than before; empty where it has not.
    """

    identity: Identity
    signed_again: int
    orphaned: int
    set_aside: int = 0
    other_keys: str = ""


def enrol(
    state: State,
    url: str,
    token: str,
    *,
    target: str = "",
    ca: Path | None = None,
    fresh: bool = False,
    moved: bool = False,
) -> Outcome:
    """Enrol this machine, or enrol it again: with a new key, under the ids it has.

    `fresh` forgets the identity that is here, which was copied from another machine; `moved` says that the
    enrolled machine has new hardware. Nothing changes unless the collector agrees; an answer that got lost
    is asked for again with the same key. Raises `UplinkError`, `BadInput` where a copied identity is here
    and neither was said, and `SpoolFull` where the identity cannot be written.
    """
    checked_name(target)
    with kept_or_loud("the enrolment"):
        state.prepare()
        Spool(state.spool).prepare()
        with exclusive(state.delivery_lock, wait_s=60), exclusive(state.sequence_lock, wait_s=60):
            return _enrol(state, url, token, target, ca, fresh=fresh, moved=moved)


def checked_name(target: str) -> str:
    """A name that a machine may bear at its site; raises `BadInput`."""
    if len(target) > 200 or not target.isprintable() or target != target.strip() or "/" in target:
        raise BadInput(
            f"--target {target[:60]!r}: right is a name of up to 200 printable characters, without slashes"
        )
    return target


def _enrol(
    state: State, url: str, token: str, target: str, ca: Path | None, *, fresh: bool, moved: bool
) -> Outcome:
    config = load_config(state)
    present = _present(state)
    if present is not None and not (fresh or moved) and (doubt := looks_cloned(present)):
        raise BadInput(doubt)
    before = None if fresh else present
    install, key_file = _names(state, present, fresh)
    key = read_key(state.root / key_file)
    trusted = ca or _ca_of(state, present, url)
    last = None if fresh else last_given(state, before.agent if before else "")
    request = Enrolment(
        token=token,
        public_key=base64.b64encode(public_key(key)).decode(),
        install=install,
        fingerprint=fingerprint(install),
        target=target or enrolled_as(state, before.target if before else host_name()),
        agent_version=__version__,
        # Where the identity was lost, the counter of runs still knows the agent that those waiting belong to.
        agent=before.agent if before else (last.agent if last else ""),
        last=last_hash(state, before.agent if before else ""),
    )
    with uplink_to(state, url, trusted, config) as uplink:
        try:
            answer = checked_answer(url, uplink.enrol(request))
        except UplinkError as error:
            if error.permanent or error.hold:
                forget(state, "enrol")  # the next attempt makes a key that nobody has refused
                (state.root / key_file).unlink(missing_ok=True)
            raise
    if ca:
        write_durably(state.root / CA_FILE, _certificates(ca))
    identity = identity_of(before, answer, request, url, key_file, CA_FILE if trusted else "")
    spool = Spool(state.spool)
    set_aside = _set_aside(spool, present) if fresh and present is not None else 0
    if before and before.agent == identity.agent and before.url == url and before.epoch != identity.epoch:
        # The store began a new life; it may have lost what was acknowledged.
        spool.send_again(0, identity.agent)
    if fresh:
        write_durably(state.install, install.encode() + b"\n")
    save_identity(state, identity)
    drop_other_keys(state, key_file)
    forget(state)
    retry.forget(state)
    signed, orphaned = sign_again(spool, identity.agent, key)
    return Outcome(identity, signed, orphaned, set_aside, _other_keys(present, identity))


def _present(state: State) -> Identity | None:
    """The identity that is here; one that is damaged is none, because enrolling is what mends it."""
    try:
        return load_identity(state)
    except BadInput:
        if state.identity.is_file():
            return None
        raise


def _names(state: State, present: Identity | None, fresh: bool) -> tuple[str, str]:
    """The install id and the key file to ask with; those of an earlier attempt that got no answer."""
    begun = begin(state, "fresh" if fresh else "enrol", used=present.key_file if present else "")
    return begun.install or install_id(state), begun.key_file


def _set_aside(spool: Spool, copied: Identity) -> int:
    """Put what the copied identity left waiting where nobody sends it; the original has its own."""
    waiting = spool.pending()
    for entry in waiting:
        spool.quarantine(entry.path, f"made as {copied.agent}, whose copied identity was given up here")
    return len(waiting)


def _other_keys(before: Identity | None, now: Identity) -> str:
    """What a person should be told where a collector that was known signs with another key now."""
    if before is None or before.url != now.url or before.sign_key in ("", now.sign_key):
        return ""
    names = [key_name(raw_key(key)) if key else "none" for key in (before.sign_key, now.sign_key)]
    return (
        f"{now.url} signs with another key than before ({names[1]}, it was {names[0]}). It is trusted from "
        "now on, because you enrolled with a token; if it was not set up anew, somebody may pose as it"
    )


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
