"""firstlight trust: look at a host's key, and trust it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent.commands.options import FILE


@click.command(short_help="Show a host's SSH key, and trust it.")
@click.argument("host")
@click.option("-s", "--site-file", type=FILE, help="Take HOST from this site file.")
@click.option("-F", "--ssh-config", type=FILE, help="An ssh_config file, in place of the usual ones.")
@click.option("--yes", is_flag=True, help="Do not ask. Only where the way to the host is safe.")
@click.option("--fingerprint", metavar="SHA256:…", help="Trust this key and no other, without asking.")
def command(
    host: str, site_file: Path | None, ssh_config: Path | None, yes: bool, fingerprint: str | None
) -> None:
    """Show the fingerprint of HOST's SSH key and, if you say so, write the key into known_hosts.

    HOST is a target of the site file, or [user@]host[:port]. The jump hosts on the way to it come first.
    Compare the fingerprint with what ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub says on the machine
    itself. A key that differs from the one that is known is never replaced here: remove the old one with
    ssh-keygen -R first.
    """
    from agent.targets.trust import look_at, trust
    from checks.errors import BadInput

    for seen in look_at(host, site_file, ssh_config):
        what = f"jump host {seen.route.name}: " if seen.jump else ""
        click.echo(f"{what}{seen.route.key_name}  {seen.kind}  {seen.fingerprint}")
        if seen.refusal:
            raise BadInput(seen.refusal)
        if fingerprint not in (None, seen.fingerprint) and not seen.jump:
            raise BadInput(f"the host shows {seen.fingerprint}, not {fingerprint}; nothing was trusted")
        if seen.trusted:
            click.echo("already trusted")
            continue
        if fingerprint is not None and seen.jump:
            raise BadInput(
                f"jump host {seen.route.name} is not trusted yet; leave out --fingerprint to be asked of it"
            )
        if fingerprint is None and not yes:
            if not sys.stdin.isatty():
                raise BadInput(
                    "there is no terminal to ask at; compare the fingerprint with the machine's own, then: "
                    f"--fingerprint {seen.fingerprint}"
                )
            click.confirm("Is that the key of this machine? Trust it", abort=True, err=True)
        trust(seen)
        click.echo(f"trusted, in {seen.route.learns_in}")
