"""firstlight trust: look at a host's key, and trust it."""

from __future__ import annotations

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

    HOST is a target of the site file, or [user@]host[:port]. Compare the fingerprint with what
    ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub says on the machine itself. A key that differs from the
    one that is known is never replaced here: remove the old one with ssh-keygen -R first.
    """
    from agent.targets.trust import look_at, trust
    from checks.errors import BadInput

    seen = look_at(host, site_file, ssh_config)
    click.echo(f"{seen.route.key_name}  {seen.kind}  {seen.fingerprint}")
    if seen.trusted:
        click.echo("already trusted")
        return
    if seen.others:
        raise BadInput(
            f"another key of {seen.route.key_name} is trusted: {', '.join(seen.others)}; once you know why "
            f"it changed: ssh-keygen -R '{seen.route.key_name}', then this command again"
        )
    if fingerprint is not None and fingerprint != seen.fingerprint:
        raise BadInput(f"the host shows {seen.fingerprint}, not {fingerprint}; nothing was trusted")
    if fingerprint is None and not yes:
        click.confirm("Is that the key of this machine? Trust it", abort=True, err=True)
    trust(seen)
    click.echo(f"trusted, in {seen.route.known_hosts[0]}")
