"""What is inside the build, under which licence, and the texts of those licences.

Distributions tell by their metadata, libraries of the system by the package that they came with. Whatever
cannot be told is listed all the same, and says so.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import Distribution, distribution, packages_distributions
from pathlib import Path
from typing import NamedTuple

from agent.build import NOT_STATED, Component, component_of

_A_LICENCE = re.compile(r"(?i)licen[cs]e|copying|notice")
_RULE = "=" * 100

_LIBRARIES = {
    "libbz2": "bzip2-1.0.6",
    "libcrypt": "LGPL-2.1-or-later",
    "libcrypto": "Apache-2.0",
    "libexpat": "MIT",
    "libffi": "MIT",
    "libgcc_s": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "liblzma": "LicenseRef-public-domain",
    "libmpdec": "BSD-2-Clause",
    "libpython3": "PSF-2.0",
    "libsqlite3": "blessing",
    "libssl": "Apache-2.0",
    "libstdc++": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libuuid": "BSD-3-Clause",
    "libz": "Zlib",
}
"""What Python's own modules are linked with: the licence of the library by itself. A package's list names
that of its tools, its tests and its build scripts too."""


class Part(NamedTuple):
    """A component with the texts that its licence asks to be handed on, and a remark for the reader."""

    component: Component
    text: str
    remark: str = ""


def parts(inside: Path, origins: dict[str, str]) -> list[Part]:
    """Everything in the folder `inside`, by name. `origins` says where each library came from."""
    ours = Part(component_of(distribution("firstlight")), "")
    found = [ours, _python(), *_bootloader(), *_distributions(inside), *_of_the_system(origins)]
    return sorted(found, key=lambda part: part.component.name.lower())


def text(parts: list[Part], version: str) -> str:
    """The file LICENSES.txt."""
    lines = [
        f"Firstlight {version}: what this folder holds, under which licences",
        "",
        "Every module and library lies here as a file of its own and may be replaced by another version,",
        "as the LGPL asks for where it applies.",
        "",
    ]
    width = max(len(part.component.name) for part in parts)
    lines += [f"  {part.component.name:<{width}}  {part.component.licence}" for part in parts]
    for part in parts:
        each = part.component
        lines += ["", _RULE, f"{each.name} {each.version}".rstrip(), f"Licence: {each.licence}"]
        lines += [part.remark] if part.remark else []
        lines += [_RULE, "", part.text.strip() or "(It comes without a text of its own.)"]
    return "\n".join(lines) + "\n"


def _python() -> Part:
    version = ".".join(map(str, sys.version_info[:3]))
    short = f"python{sys.version_info.major}.{sys.version_info.minor}"
    places = [
        Path(sysconfig.get_path("stdlib"), "LICENSE.txt"),
        Path("/usr/share/doc", short, "copyright"),
    ]
    told = next((place.read_text(errors="replace") for place in places if place.is_file()), "")
    return Part(Component("Python", version, "PSF-2.0"), told)


def _bootloader() -> list[Part]:
    made_by = distribution("pyinstaller")
    licence = "GPL-2.0-or-later WITH Bootloader-exception"
    remark = "Of PyInstaller only the program that starts Python is here, which its exception is about."
    return [Part(Component("PyInstaller bootloader", made_by.version, licence), _texts(made_by), remark)]


def _distributions(inside: Path) -> list[Part]:
    """The distributions whose modules or libraries are in the folder."""
    owners = packages_distributions()
    tops = {path.name.partition(".")[0] for path in inside.iterdir() if not path.name.endswith(".dist-info")}
    names = {owner for top in tops for owner in owners.get(top, ())} - {"firstlight"}
    return [_part(distribution(name), inside) for name in sorted(names)]


def _part(owner: Distribution, inside: Path) -> Part:
    libraries = inside / f"{owner.name.replace('-', '_')}.libs"
    held = sorted(path.name for path in libraries.iterdir()) if libraries.is_dir() else []
    remark = f"It holds these libraries of others: {', '.join(held)}" if held else ""
    return Part(component_of(owner), _texts(owner), remark)


def _texts(owner: Distribution) -> str:
    files = [
        file
        for file in owner.files or ()
        if ".dist-info" in file.parts[0] and _A_LICENCE.search(file.name) and file.suffix != ".py"
    ]
    return "\n\n".join(f"--- {file.name}\n\n{file.read_text().strip()}" for file in files)


def _of_the_system(origins: dict[str, str]) -> list[Part]:
    """The libraries that are neither Python's own nor out of a wheel, by the package that brought them."""
    elsewhere = (sys.prefix + "/", sys.base_prefix + "/")
    if sys.base_prefix == "/usr":
        elsewhere = (sys.prefix + "/", sysconfig.get_path("stdlib") + "/")
    sources = {source for source in origins.values() if source and not source.startswith(elsewhere)}
    found: dict[str, Part] = {}
    for source in sorted(sources):
        part = _debian(source) or _rpm(source)
        if part is None:
            licence = _library(source) or NOT_STATED
            part = Part(Component(Path(source).name, "", licence), "", "A library of the builder's system.")
        found.setdefault(part.component.name, part)
    return list(found.values())


def _debian(source: str) -> Part | None:
    """By dpkg's database, which may know the file under the name it had before /lib and /usr/lib were one."""
    if not shutil.which("dpkg-query"):
        return None
    real = str(Path(source).resolve())
    for place in (source, real, real.removeprefix("/usr"), "/usr" + real):
        told = _said("dpkg-query", "-S", place)
        if told:
            package = told.splitlines()[0].partition(": ")[0].split(",")[0]
            break
    else:
        return None
    name = package.partition(":")[0]
    version = _said("dpkg-query", "-W", "-f=${Version}", package)
    file = Path("/usr/share/doc", name, "copyright")
    text = file.read_text(errors="replace") if file.is_file() else ""
    return Part(Component(name, version, _library(source) or "see its text"), text)


def _library(source: str) -> str:
    return _LIBRARIES.get(Path(source).name.partition(".")[0], "")


def _rpm(source: str) -> Part | None:
    if not shutil.which("rpm"):
        return None
    told = _said("rpm", "-qf", "--qf", r"%{NAME}\t%{VERSION}-%{RELEASE}\t%{LICENSE}\n", source)
    name, _, rest = told.partition("\t")
    version, _, licence = rest.partition("\n")[0].partition("\t")
    if not licence:
        return None
    files = sorted(path for path in Path("/usr/share/licenses", name).glob("*") if path.is_file())
    text = "\n\n".join(path.read_text(errors="replace") for path in files)
    return Part(Component(name, version, _library(source) or licence), text)


def _said(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
