"""The way to the collector, and how far its clock is from this machine's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from agent.config import load_config
from agent.contact import clock_offset, last_delivered
from agent.delivery import connect
from agent.examine.symptom import Symptom
from agent.identity import Identity
from agent.paths import State
from checks.errors import BadInput, FirstlightError, UplinkError

SKEW_S: Final = 300.0
"""The collector marks runs of a clock that is further off than this (and holds them beyond 24 h)."""

EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""No clock that is right is behind this program's own making."""

SET: Final = "timedatectl set-ntp true, or chronyc makestep"

REMEDIES: Final = {
    "dns": "getent hosts {host}; put the name into DNS or /etc/hosts, or let a proxy look it up "
    "(proxy under [network] in {config})",
    "refused": "ask whether the collector runs, and the firewall's people whether {host}:{port} is open",
    "timeout": "curl -v {url}/ shows where it ends; a firewall that swallows answers looks like this",
    "no-route": "ip route get {host}; the network's people can tell which way is meant",
    "proxy": 'see proxy under [network] in {config}, and $https_proxy; proxy = "none" goes without',
    "proxy-login": "set proxy_user and proxy_password under [network] in {config}",
    "proxy-forbids": "ask the proxy's people to let this machine reach {host}:{port}",
    "not-tls": "see whether the address has the right port; http:// and https:// are not the same",
    "untrusted": "firstlight enrol {url} --token - --ca FILE, where the authority is your own; where a proxy "
    "breaks TLS open, its people can except {host}",
    "wrong-name": "enrol with the name that the certificate is for, or have the certificate made for {host}",
    "expired": "have the collector's certificate renewed; see date, too",
    "not-yet-valid": "date; set the clock: " + SET,
    "client-certificate": "set client_cert and client_key under [network] in {config}",
}


def look(state: State, identity: Identity) -> Iterator[Symptom]:
    """Whether the collector answers, and by how much its clock differs."""
    try:
        with connect(state, identity, load_config(state)) as uplink:
            offset = uplink.clock_offset_s()
    except BadInput as error:
        yield Symptom("collector", str(error), f"mend or remove {state.config}", "fail")
        return
    except UplinkError as error:
        yield Symptom(
            "collector", f"{error} (runs wait meanwhile)", remedy(state, identity.url, error.cause), "fail"
        )
        return
    except (FirstlightError, OSError) as error:
        again = f"firstlight enrol {identity.url} --token -"
        yield Symptom("collector", f"{identity.url} cannot be asked: {error}", again, "fail")
        return
    yield Symptom("collector", f"{identity.url} answers")
    if abs(offset) > SKEW_S:
        yield Symptom(
            "clock", f"the collector's clock is {_by(offset)}", f"set this machine's clock: {SET}", "fail"
        )


def remedy(state: State, url: str, cause: str) -> str:
    """What to type for a cause of `agent.unreached`."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    text = REMEDIES.get(cause, "curl -v {url}/ shows where it ends")
    return text.format(url=url, host=parts.hostname or url, port=port, config=state.config)


def clock(state: State, now: datetime | None = None) -> Iterator[Symptom]:
    """What this machine's own clock says of itself, and of what was written before."""
    moment = now or datetime.now(UTC)
    if moment < EARLIEST:
        yield Symptom(
            "clock", f"it is set to {moment:%Y-%m-%d}, which is long past", f"set it: {SET}", "fail"
        )
        return
    last = last_delivered(state)
    if last is not None and last.at - moment > timedelta(seconds=SKEW_S):
        when = f"{last.at:%Y-%m-%d %H:%M} UTC"
        yield Symptom(
            "clock",
            f"a run was delivered at {when}, which is yet to come: the clock was set back",
            f"date; if it is wrong now: {SET}",
            "warn",
        )
        return
    measured = clock_offset(state)
    if measured is not None:
        said = f"{_by(measured.offset_s)} at the delivery of {measured.at:%Y-%m-%d %H:%M} UTC"
        if abs(measured.offset_s) > SKEW_S:
            yield Symptom("clock", f"the collector's was {said}", f"set this machine's clock: {SET}", "warn")
        else:
            yield Symptom("clock", f"the collector's was {said}")


def _by(offset: float) -> str:
    if abs(offset) < 2:
        return "that of this machine"
    return f"{abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this one"
