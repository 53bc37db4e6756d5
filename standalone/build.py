"""``python -m standalone.build``: the wheel, the sdist and the standalone folder with its archive, in dist/.

Nothing appears there half made: all is built beside it and moved when it is whole.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from agent.build import FILE, LICENCES, Build
from checks import __version__
from standalone import archive, binaries, contents, licences
from standalone.contents import ROOT

NAME = "firstlight"
CHMOD = 0o755


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m standalone.build", description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "dist", help="where what is built goes (dist/)")
    parser.add_argument("--standalone-only", action="store_true", help="no wheel and no sdist")
    options = parser.parse_args()
    if sys.platform != "linux":
        parser.error("the standalone build is made on Linux, for Linux")
    if lacking := contents.absent():
        parser.error(f"not installed: {', '.join(lacking)}; pip install -e '.[dist]' brings them")
    options.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=options.into) as made:
        work = Path(made)
        try:
            results = [] if options.standalone_only else packages(work / "packages")
            results += standalone(work)
        except subprocess.CalledProcessError as error:
            words = " ".join(map(str, error.cmd[:3]))
            said = f"{error.stderr or ''}{words} ended with {error.returncode}; {options.into} is as it was"
            raise SystemExit(said) from error
        for result in results:
            place = options.into / result.name
            if place.is_dir():
                shutil.rmtree(place)
            result.replace(place)
            print(place)  # noqa: T201 - a script


def packages(into: Path) -> list[Path]:
    """The wheel and the sdist."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(into), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True, env=_environment(into.parent))
    return sorted(path for path in into.iterdir() if path.name.startswith(NAME))


def standalone(work: Path) -> list[Path]:
    """The folder, its archive and the archive's checksum."""
    folder = work / f"{NAME}-{__version__}"
    freeze(work).rename(folder)
    origins: dict[str, str] = json.loads((work / "origins.json").read_text())
    inside = folder / "_internal"
    drop_foreign_metadata(inside)
    binaries.strip_debugging(inside, origins)
    binaries.hide_places(folder)
    parts = licences.parts(inside, origins)
    when = moment()
    made = Build(
        version=__version__,
        kind="standalone",
        commit=commit(),
        built=datetime.fromtimestamp(when, UTC).isoformat(),
        python=platform.python_version(),
        platform=f"linux-{platform.machine()}",
        glibc=binaries.needed_glibc(folder),
        built_on=" ".join(platform.libc_ver()) or "an unknown C library",
        components=tuple(part.component for part in parts),
    )
    (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    (folder / LICENCES).write_text(licences.text(parts, __version__))
    folder.chmod(CHMOD)
    packed = work / f"{folder.name}-{made.platform}.tar.gz"
    archive.pack(folder, packed, when)
    return [folder, packed, packed.with_name(packed.name + ".sha256")]


def drop_foreign_metadata(inside: Path) -> None:
    """Remove what tells of distributions that are not inside, and of how ours got into the environment."""
    from importlib.metadata import Distribution

    for metadata in inside.glob("*.dist-info"):
        modules = (
            Distribution.at(metadata).read_text("top_level.txt") or metadata.name.partition("-")[0]
        ).split()
        if not any((inside / module).exists() for module in modules):
            shutil.rmtree(metadata)


def freeze(work: Path) -> Path:
    """Run PyInstaller; the folder that it made."""
    origins = work / "origins.json"
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR"]
    command += ["--distpath", str(work / "frozen"), "--workpath", str(work / "analysis")]
    command += [str(Path(__file__).with_name("firstlight.spec"))]
    more = {"FIRSTLIGHT_ORIGINS": str(origins), "PYINSTALLER_CONFIG_DIR": str(work / "cache")}
    subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=ROOT, env=_environment(work) | more
    )
    return work / "frozen" / NAME


def moment() -> int:
    """The time that everything bears, in seconds since 1970 (reproducible-builds.org, SOURCE_DATE_EPOCH)."""
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(told) if told.isdecimal() else int(time.time())


def commit() -> str:
    """The commit that is built, with ``-dirty`` behind it where files differ; empty outside a repository."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _environment(work: Path) -> dict[str, str]:
    """The caller's, with what makes bytecode come out the same every time."""
    return os.environ | {
        "PYTHONHASHSEED": "0",
        "PYI_LOG_LEVEL": "ERROR",
        "SOURCE_DATE_EPOCH": str(moment()),
        "TMPDIR": str(work),
    }


if __name__ == "__main__":
    main()
