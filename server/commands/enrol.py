"""firstlight server enrol: enrol a machine that no network reaches, from the file it wrote."""

from __future__ import annotations

from pathlib import Path

import click

from server.commands.options import OPERATOR, db_option

LARGEST = 64 * 1024


@click.command(short_help="Enrol a machine from the file it wrote.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--site", required=True, metavar="ID", help="The site the machine will report for.")
@click.option("--project", metavar="ID", help="The project its runs count for [default: the site alone].")
@click.option("--profile", default="", metavar="ID", help="Bind only this profile [default: any].")
@click.option("--every", default="1d", metavar="SPAN", help="How often runs are expected [default: 1d].")
@click.option("--url", metavar="URL", help="The collector's address, as people at the site know it.")
@click.option("--answer", type=click.Path(path_type=Path), help="The file to write [default: beside FILE].")
@db_option
def command(
    file: Path,
    site: str,
    project: str | None,
    profile: str,
    every: str,
    url: str | None,
    answer: Path | None,
    db: str | None,
) -> None:
    """Enrol the machine that wrote FILE (firstlight export --enrolment), and write the answer to carry back.

    The same file again gets the same answer. Compare the names of the keys with what the machine printed.
    """
    from checks.errors import BadInput
    from checks.signed import key_name, raw_key
    from checks.units import read_span
    from checks.whole_file import write_whole
    from server.carry.enrolling import asked_in, enrol_from_file
    from server.clock import utc_now
    from server.commands.options import store_of
    from server.settings import load_settings

    try:
        interval = read_span(every)
    except ValueError as error:
        raise BadInput(f"--every {every}: {error}") from error
    settings = load_settings(db=db, public_url=url)
    try:
        asked = asked_in(_read(file))
    except BadInput as error:
        raise BadInput(f"{file}: {error}") from error
    with store_of(db) as opened, opened.write() as session:
        told, data = enrol_from_file(
            session,
            asked,
            site,
            url=settings.url,
            project_id=project,
            profile_id=profile,
            interval_s=round(interval),
            by=OPERATOR,
            now=utc_now(),
        )
    path = answer or file.with_suffix(".enrolled")
    try:
        if answer is None:
            write_whole(path, data, mode=0o644, sync=True)  # beside FILE, on a stick that was anybody's
        else:
            path.write_bytes(data)
    except OSError as error:
        raise BadInput(
            f"{path}: {error.strerror}; the machine is enrolled, type this again with --answer elsewhere"
        ) from error
    click.echo(f"enrolled as {told.agent} for {site}, the machine as {told.target}")
    click.echo(
        f"its key {key_name(raw_key(asked.public_key))}, this collector's {key_name(raw_key(told.sign_key))}"
    )
    click.echo(f"carry {path} back, and type there: firstlight import {path.name}")


def _read(file: Path) -> bytes:
    from checks.errors import BadInput

    try:
        if not file.is_file():
            raise BadInput("no such file" if not file.exists() else "not a plain file")
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
    except OSError as error:
        raise BadInput(error.strerror or str(error)) from error
    if len(data) > LARGEST:
        raise BadInput("larger than a machine's enrolment ever is")
    return data
