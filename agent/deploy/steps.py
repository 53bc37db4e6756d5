"""The order of a deployment: look, carry, unpack, account, enrol, schedule, first check; and of a removal.

Each step is safe to do again. Whatever fails, the release that was in use before stays in use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from agent.deploy.far import LONG_S, Answer, RootShell
from agent.deploy.package import Package
from agent.deploy.probe import Found, Place, probe, refuse_unfit
from agent.deploy.scripts import (
    ACCOUNT,
    CHECK,
    CONFIGURE,
    ENROL,
    PREPARE,
    REMOVE,
    SCHEDULE,
    UNPACK,
    WAITING,
    WHO,
    WRAPPER_MARK,
    script,
)
from checks.errors import BadInput, FirstlightError
from checks.facts.shell import new_nonce

Tell = Callable[[str, str], None]
"""Called with the name of a step and what it did."""

NOTHING: Final = "nothing to do"


class Enrolled(msgspec.Struct):
    """What of a far identity is of interest here."""

    agent: str
    url: str
    sites: tuple[str, ...]
    target: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of one machine. `token` is called only where the machine has to be enrolled.

    `url` is the collector as that machine reaches it, `ca` the text of certificates to trust, `config` that
    of a config.toml, which has to be there before the machine sends its name or needs its proxy. An empty
    `every` leaves the schedules to the configuration over there, or to the enrolment.
    """

    place: Place
    url: str
    token: Callable[[], str]
    ca: str = ""
    config: str = ""
    insecure: bool = False
    target: str = ""
    profile: str = ""
    stage: str = ""
    every: str = ""
    grant: str = ""
    operator: str = ""
    check: bool = False


@dataclass(frozen=True, slots=True)
class Deployed:
    """What came of it; `first_check` is None where nothing had changed, so that nothing was checked."""

    identity: Enrolled
    first_check: Answer | None


def deploy(
    shell: RootShell, package: Package, wish: Wish, tell: Tell, progress: Callable[[int], None]
) -> Deployed:
    """Bring one machine to what is wanted. Raises `BadInput` and `FirstlightError` with one line."""
    place = wish.place
    found = probe(shell, place)
    tell("found", f"{found}, {_present(found)}")
    refuse_unfit(found, package)
    changed = not found.runs or found.release != package.release
    if changed:
        _carry(shell, package, place, progress)
        tell("program", f"{package.release} in {place.prefix}, checksum right")
    made = shell.run(script(ACCOUNT, **place.values(), mark=WRAPPER_MARK))
    _need(made, "the account and the folders could not be made")
    if "made" in made.values:
        tell("account", f"{place.user}, without a login or a password")
    if made.values.get("link") == "taken":
        tell("note", f"{place.link} is another program's and stays; use {place.prefix}/current/firstlight")
    if wish.config:
        settings = shell.run(script(CONFIGURE, **place.values(), config=wish.config))
        _need(settings, "config.toml could not be written")
        if "wrote" in settings.values:
            tell("config", f"{place.state}/config.toml")
            changed = True
    identity = _who(shell, place)
    if identity is None or identity.url != wish.url:
        identity = _enrol(shell, wish)
        tell("enrolled", f"as {identity.agent} for {', '.join(identity.sites)}, called {identity.target}")
        changed = True
    scheduled = shell.run(
        script(SCHEDULE, **place.values(), every=wish.every, profile=wish.profile, grant=wish.grant)
    )
    _need(scheduled, "the schedule could not be put in place")
    if found.checked and not changed and not wish.check:
        return Deployed(identity, None)
    for line in scheduled.out.splitlines():
        if line.strip() and not line.startswith("to "):  # what to type over there; here it is deploy --remove
            tell("schedule", line.strip())
    values = {"profile": wish.profile, "stage": wish.stage, "operator": wish.operator, "format": "table"}
    return Deployed(identity, shell.run(script(CHECK, **place.values(), **values), silence_s=LONG_S))


def remove(shell: RootShell, place: Place, tell: Tell, *, discard: bool) -> Enrolled | None:
    """Take everything away, and say who the agent was. Raises `BadInput` where runs would be lost."""
    found = probe(shell, place)
    identity = _who(shell, place)
    waiting = shell.run(script(WAITING, **place.values()), silence_s=LONG_S).values.get("waiting", "0")
    if waiting != "0" and not discard:
        were = "1 run there was" if waiting == "1" else f"{waiting} runs there were"
        raise BadInput(
            f"{were} never delivered and would be lost: make the collector reachable; or carry them away "
            "with firstlight export, or give them up, and then say --discard-runs"
        )
    if not found.release and not found.user and identity is None:
        tell("removed", "nothing was there")
        return None
    gone = shell.run(script(REMOVE, **place.values(), mark=WRAPPER_MARK), silence_s=LONG_S)
    _need(gone, "not everything could be taken away")
    kept = (
        "" if found.made_user or not found.user else f"; the account {place.user} was there before and stays"
    )
    tell("removed", f"schedule, program, state and account{kept}")
    return identity


def _carry(shell: RootShell, package: Package, place: Place, progress: Callable[[int], None]) -> None:
    nonce = new_nonce()
    incoming = f"{place.prefix}/.incoming-{nonce}"
    _need(shell.run(script(PREPARE, **place.values())), f"{place.prefix} could not be made")
    with package.path.open("rb") as file:
        for sent in shell.send(file, incoming):
            progress(sent)
    values = {
        "nonce": nonce,
        "incoming": incoming,
        "digest": package.digest,
        "folder": package.folder,
        "release": package.release,
    }
    unpacked = shell.run(script(UNPACK, **place.values(), **values), silence_s=LONG_S)
    _need(unpacked, "the program could not be put in place")


def _enrol(shell: RootShell, wish: Wish) -> Enrolled:
    token = wish.token()
    if not token or not all(char.isalnum() or char in "._-" for char in token):
        raise BadInput("the enrolment token holds something else than letters, digits, dots, _ and -")
    text = script(
        ENROL,
        **wish.place.values(),
        server=wish.url,
        ca=wish.ca,
        target=wish.target,
        insecure="yes" if wish.insecure else "",
    )
    _need(shell.run(f"{text}{token}\nTOKEN", silence_s=LONG_S), "not enrolled")
    identity = _who(shell, wish.place)
    if identity is None:
        raise FirstlightError("enrolled, it said, and yet it has no identity")
    return identity


def _who(shell: RootShell, place: Place) -> Enrolled | None:
    text = shell.run(script(WHO, **place.values())).out.strip()
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Enrolled)
    except msgspec.MsgspecError:
        return None  # enrolling again makes it whole


def _need(answer: Answer, otherwise: str) -> None:
    if answer.code != 0:
        raise FirstlightError(f"{otherwise}: {answer.complaint().removeprefix('firstlight: ')}")


def _present(found: Found) -> str:
    return f"firstlight {found.release} is there" if found.runs else "no firstlight yet"
