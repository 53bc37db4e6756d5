"""firstlight show-upload: exactly what leaves this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from checks.errors import BadInput

if TYPE_CHECKING:
    from agent.paths import State
    from checks.envelope import Envelope


@click.command("show-upload", short_help="Print exactly what would be sent.")
@click.argument("run", required=False, metavar="[RUN|PROFILE]")
@click.option("--raw", is_flag=True, help="The body byte for byte, as it is hashed and signed.")
@click.option(
    "--now",
    is_flag=True,
    help="Check now, and print what a run of PROFILE would send. Nothing is kept or sent.",
)
@click.option(
    "-s",
    "--site-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="With --now: check the targets of this site file.",
)
def command(run: str | None, raw: bool, now: bool, site_file: Path | None) -> None:
    """Print the body of a spooled run: the newest that waits, or RUN (an id, its beginning, or a number).

    With --now it is that of a run of PROFILE, made for this and neither kept nor sent; it needs no enrolment.

    Nothing else of the machine's readings leaves it: beside the body only the headers that go to standard
    error here. Enrolment sends what `firstlight enrol --help` says, once.
    """
    import msgspec

    from agent.paths import state

    if site_file is not None and not now:
        raise BadInput("-s says what --now checks; without --now it is a run in the spool that is shown")
    at = state()
    envelope, stands = _made_now(at, run, site_file) if now else _spooled(at, run)
    for name, value in _headers(at, envelope).items():
        click.echo(f"{name}: {value}", err=True)
    click.echo(f"({stands}, {len(envelope.body)} bytes, SHA-256 {envelope.seal.hash})", err=True)
    click.echo(envelope.body if raw else msgspec.json.format(envelope.body, indent=2), nl=not raw)


def _spooled(at: State, run: str | None) -> tuple[Envelope, str]:
    from agent.spool import Spool

    spool = Spool(at.spool)
    if run is not None:
        entry = spool.find(run)
        return spool.read(entry), entry.place
    spooled = spool.pending() or spool.kept()
    if not spooled:
        raise BadInput(
            "the spool is empty; firstlight check on an enrolled machine puts a run there, and "
            "firstlight show-upload --now shows what it would send"
        )
    return spool.read(spooled[-1]), spooled[-1].place


def _made_now(at: State, profile: str | None, site_file: Path | None) -> tuple[Envelope, str]:
    """A run of this moment as it would be sent; its number is the next one, and stays free."""
    from agent.identity import Identity, fingerprint, install_id, load_identity, local_target, read_key
    from agent.operator import login
    from agent.planning import Wanted, plan_for, site_of
    from agent.redaction.at_site import report_for
    from agent.report import Occasion, body_of, make_report
    from agent.run import check_now
    from agent.sequence import FIRST_PREVIOUS, next_number
    from agent.ship import newest
    from agent.spool import Spool
    from checks.envelope import Envelope, Seal, seal
    from checks.ids import new_run_id
    from checks.model import Trigger

    identity = load_identity(at)
    planned = plan_for(Wanted(profile, site_file), identity, None)
    site = site_of(planned, identity, None, no_send=identity is None)
    done = check_now(planned, site=site, trigger=Trigger.MANUAL, keep=False)
    run, sequence, previous = new_run_id(), 1, FIRST_PREVIOUS
    if identity is None:
        install = install_id(at) if at.install.exists() else "0" * 32
        who = Identity(
            "not-enrolled",
            install,
            (site or "not-enrolled",),
            local_target(at).name,
            "",
            "",
            fingerprint(install),
            "",
        )
    else:
        who = identity
        with next_number(at, who.agent, lambda: newest(at, Spool(at.spool), who.agent)) as number:
            sequence, previous = number.sequence, number.previous  # not taken
    occasion = Occasion(
        site or who.sites[0], done.trigger, "", login(), done.started, done.partial, done.resources
    )
    report = make_report(
        who,
        done.plan,
        done.snapshot,
        done.evaluation,
        occasion,
        run=run,
        sequence=sequence,
        previous=previous,
    )
    body = body_of(report_for(at, report))
    if identity is not None:
        return seal(who.agent, run, body, read_key(at.root / who.key_file)), "made now, neither kept nor sent"
    import hashlib

    unsigned = Seal(who.agent, run, hashlib.sha256(body).hexdigest(), "(made once this machine is enrolled)")
    return Envelope(unsigned, body), "made now, neither kept nor sent"


def _headers(at: State, envelope: Envelope) -> dict[str, str]:
    """All headers of the request; what is made anew at each sending as it would be now."""
    from urllib.parse import urlsplit

    from agent.identity import load_identity
    from agent.uplink import HEADERS, headers_of, packed

    identity = load_identity(at)
    host = urlsplit(identity.url).netloc if identity is not None else "(the collector's)"
    length = str(len(packed(envelope.body)))
    return {"Host": host} | HEADERS | headers_of(envelope) | {"Content-Length": length}
