"""What a collector answers to an enrolment, held to what an identity can be: it is a stranger's word."""

from __future__ import annotations

import re

from agent.identity import Identity
from checks.envelope import Enrolled, Enrolment
from checks.errors import BadInput, UplinkError
from checks.signed import raw_key

MOST_SITES = 1000
LONGEST = 200
LONGEST_ID = 64
LONGEST_INTERVAL_S = 366 * 86_400
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def checked_answer(url: str, answer: Enrolled) -> Enrolled:
    """The answer, if it can be one; raises `UplinkError` with what is wrong in it.

    Its names are printed on terminals and go into messages, and its profile is one that the collector names:
    never a file of this machine.
    """
    if not answer.sites:
        raise UplinkError(f"{url} enrolled this machine for no site", permanent=True)
    names = {
        "agent": (answer.agent,),
        "sites": answer.sites,
        "target": (answer.target,),
        "target_id": (answer.target_id,),
        "epoch": (answer.epoch,),
        "profile": (answer.profile,),
    }
    for field, texts in names.items():
        longest = LONGEST_ID if field == "target_id" else LONGEST  # every run will have to bear it
        if any(len(text) > longest or not text.isprintable() for text in texts):
            raise _wrong(url, f"{field} is longer than {longest} characters, or cannot be printed")
    if len(answer.sites) > MOST_SITES:
        raise _wrong(url, f"sites are {len(answer.sites)}; {MOST_SITES} are possible")
    if answer.profile and (
        not _PROFILE.fullmatch(answer.profile) or answer.profile.lower().endswith((".yaml", ".yml"))
    ):
        raise _wrong(url, "profile is no name of a profile")
    if not 0 <= answer.interval_s <= LONGEST_INTERVAL_S:
        raise _wrong(url, "interval_s is no time between two runs")
    for field in ("sign_key", "seal_key"):
        if text := getattr(answer, field):
            try:
                raw_key(text)
            except BadInput as error:
                raise _wrong(url, f"{field}: {error}") from error
    return answer


def identity_of(
    before: Identity | None, answer: Enrolled, request: Enrolment, url: str, key_file: str, ca_file: str
) -> Identity:
    """The identity that an answer settles; `before` is the one it follows."""
    known = before.targets if before and before.agent == answer.agent else {}
    return Identity(
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


def _wrong(url: str, what: str) -> UplinkError:
    return UplinkError(f"{url} answered with an enrolment that is none: {what}", permanent=True)
