"""firstlight identity: who this agent is, and the salt that agents of a site share."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from checks.errors import BadInput
from checks.model import Name

SALT_BYTES = 32


class SaltFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `export` writes and `import` reads."""

    site: Name
    salt: str


@click.group(invoke_without_command=True, short_help="Show who this agent is; share a site's salt.")
@click.pass_context
def command(context: click.Context) -> None:
    """Show who this agent is: its ids, sites, machine and public key."""
    if context.invoked_subcommand is not None:
        return
    from agent.identity import enrolled, load_salts, public_key, read_key
    from agent.paths import state

    at = state()
    identity = enrolled(at)
    salted = load_salts(at)
    lines = {
        "agent": identity.agent,
        "install": identity.install,
        "machine": identity.fingerprint,
        "target": identity.target,
        "sites": ", ".join(f"{site} (own salt)" if site in salted else site for site in identity.sites),
        "collector": identity.url,
        "public key": public_key(read_key(at.root / identity.key_file)).hex(),
        "state": str(at.root),
    }
    for name, value in lines.items():
        click.echo(f"{name:<12}{value}")


@command.command(short_help="Take a new key; the present one vouches for it.")
def rotate() -> None:
    """Take a new key pair, which the present one vouches for. Neither a token nor an administrator is needed.

    Runs that wait are signed again. Where the collector cannot be reached the agent goes on with its present
    key, and the next delivery finishes what was begun. For a key that others may know it is not enough:
    let the collector's administrator revoke it, and enrol again.
    """
    from agent.paths import state
    from agent.rotation import rotate as take_new_key
    from checks.errors import UplinkError

    try:
        done = take_new_key(state())
    except UplinkError as error:
        later = "" if error.permanent or error.hold else "; the next delivery tries again"
        click.echo(f"firstlight: no new key yet: {error}{later}", err=True)
        raise SystemExit(4 if error.permanent or error.hold else 3) from None
    from agent.identity import public_key, read_key

    key = public_key(read_key(state().root / done.identity.key_file)).hex()
    click.echo(f"{done.identity.agent} signs with a new key from now on: {key}")
    if done.signed_again:
        runs = "run" if done.signed_again == 1 else "runs"
        click.echo(f"{done.signed_again} waiting {runs} signed with it; firstlight send delivers")


@command.command(short_help="Write a site's salt to a file, for its other agents.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--site", help="Which site [default: this agent's own].")
@click.option("--new", is_flag=True, help="Make the salt, where the site has none yet.")
def export(file: Path, site: str | None, new: bool) -> None:
    """Write a site's salt to FILE (readable by you only), for the site's other agents to import.

    Agents of one site must share its salt, or one finding gets two names. Make one before the first run: a
    new salt gives every finding of the site a new name.
    """
    import os

    from agent.durable import write_durably
    from agent.identity import enrolled, load_salts, save_salt, secret_salt
    from agent.paths import state
    from agent.redaction.at_site import masks_names

    at = state()
    name = enrolled(at).site(site)
    salt = secret_salt(at, name) if masks_names(at) else load_salts(at).get(name)
    if salt is None:
        if not new:
            raise BadInput(
                f"{name} has no salt of its own (its id serves); --new makes one, which renames its findings"
            )
        salt = os.urandom(SALT_BYTES).hex()
    if file.exists():
        raise BadInput(f"{file}: exists already; name a new file")
    at.prepare()
    try:
        write_durably(file, msgspec.json.encode(SaltFile(name, salt)) + b"\n")
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from error
    save_salt(at, name, salt)
    click.echo(f"wrote the salt of {name} to {file}; it is a secret of that site")


@command.command("import", short_help="Take over a site's salt from a file.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--replace", is_flag=True, help="Take it also where this agent has another salt for the site.")
def import_(file: Path, replace: bool) -> None:
    """Take over a site's salt from FILE, which `identity export` wrote on another agent of the site."""
    from agent.identity import load_identity, load_salts, save_salt
    from agent.paths import state

    at = state()
    try:
        given = msgspec.json.decode(file.read_bytes(), type=SaltFile)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise BadInput(f"{file}: not a salt file: {error}; firstlight identity export writes one") from error
    if len(given.salt) < SALT_BYTES:
        raise BadInput(f"{file}: the salt is too short to be a secret")
    identity = load_identity(at)  # a site that masks names gives its secret before the first name is sent
    name = identity.site(given.site) if identity is not None else given.site
    if load_salts(at).get(name, given.salt) != given.salt and not replace:
        raise BadInput(f"this agent has another salt for {name}; --replace gives its findings new names")
    save_salt(at, name, given.salt)
    click.echo(f"findings of {name} are named with the imported salt from now on")
