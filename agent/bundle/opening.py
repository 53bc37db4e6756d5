"""Reading a bundle again. It came by mail or on a stick, so nothing in it is believed.

Nothing is ever unpacked: the few parts that are wanted are read into memory, within bounds that are known
before anything is decompressed. Whatever is not as `agent.bundle.archive` writes it is refused in one line.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Final

import msgspec

from agent.bundle.parts import ACCEPTED, FORMAT, MANIFEST, NAME, PREVIOUS, SNAPSHOT, VERSION, Manifest
from checks.errors import BadInput
from checks.snapshot import Snapshot, decode

MIB: Final = 1024 * 1024
LARGEST_FILE: Final = 1024 * MIB
LARGEST_PART: Final = 256 * MIB
MOST_PARTS: Final = 5000
LARGEST_DIRECTORY: Final = 1 * MIB
RATIO: Final = 200
"""What compression may gain on a part above 1 MiB: text gains ten times, a bomb a thousand."""

_END: Final = b"PK\x05\x06"
_END_SIZE: Final = 22
_LONGEST_COMMENT: Final = 65535
_MAGIC: Final = b"PK\x03\x04"


def is_bundle(path: Path) -> bool:
    """Whether a file begins as a zip does, so that it is not read as a snapshot."""
    try:
        with path.open("rb") as file:
            return file.read(4) == _MAGIC
    except OSError:
        return False


def load_readings(path: Path) -> Snapshot:
    """The snapshot in a file that --save wrote, or in a bundle; raises `BadInput`."""
    if not is_bundle(path):
        from checks.snapshot import load

        return load(path)
    return part_of(path, SNAPSHOT)


def accepted_in(path: Path) -> Snapshot | None:
    """The accepted state that travelled in a bundle; None where none had been accepted. Raises `BadInput`."""
    return _optional(path, ACCEPTED)


def previous_in(path: Path) -> Snapshot | None:
    """The run before, as it travelled in a bundle; None where there was none. Raises `BadInput`."""
    return _optional(path, PREVIOUS)


def part_of(path: Path, name: str) -> Snapshot:
    """A snapshot in a bundle; raises `BadInput` in one line, whatever is wrong with the file."""
    found = _optional(path, name)
    if found is None:
        raise BadInput(f"{path}: a bundle without {name}; it was left out, or is damaged")
    return found


def _optional(path: Path, name: str) -> Snapshot | None:
    data = _parts(path, (MANIFEST, name))
    if MANIFEST not in data:
        raise BadInput(f"{path}: a zip, but not a bundle that firstlight bundle wrote")
    try:
        manifest = msgspec.json.decode(data[MANIFEST], type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{path}: not a bundle that firstlight bundle wrote: {error}") from error
    if manifest.format != FORMAT:
        raise BadInput(
            f"{path}: not a bundle that firstlight bundle wrote: its format is {manifest.format!r:.60}"
        )
    if manifest.version > VERSION:
        raise BadInput(f"{path}: bundle version {manifest.version} is newer than this program knows")
    return decode(data[name], f"{path}: {name}") if name in data else None


def _parts(path: Path, wanted: tuple[str, ...]) -> dict[str, bytes]:
    try:
        with path.open("rb") as file:
            _refuse_large(path, file)
            with zipfile.ZipFile(file) as archive:
                entries = _entries(path, archive)
                return {name: _read(path, archive, entries[name]) for name in wanted if name in entries}
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OverflowError,
        UnicodeError,
        IndexError,
        KeyError,
    ) as error:
        raise BadInput(f"{path}: damaged: {_one_line(error)}; ask for the bundle again") from error


def _refuse_large(path: Path, file: object) -> None:
    """Look at the end of the file, where a zip says how much is in it, before anything is read for that."""
    import io
    from typing import cast

    stream = cast(io.BufferedReader, file)
    size = stream.seek(0, 2)
    if size > LARGEST_FILE:
        raise BadInput(f"{path}: {size} bytes; a bundle has {LARGEST_FILE} at most")
    stream.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT))
    tail = stream.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        raise BadInput(f"{path}: damaged: the end of the file is missing; ask for the bundle again")
    count, directory = struct.unpack("<HI", tail[at + 10 : at + 16])
    if count > MOST_PARTS or directory > LARGEST_DIRECTORY:
        raise BadInput(f"{path}: {count} parts; a bundle has {MOST_PARTS} at most")
    stream.seek(0)


def _entries(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename
        if not NAME.fullmatch(name) or entry.orig_filename != name:
            raise BadInput(f"{path}: holds {name!r:.80}, which no bundle does; do not unpack this file")
        if name in found:
            raise BadInput(f"{path}: holds {name} twice, which no bundle does")
        if entry.flag_bits & 0x1:
            raise BadInput(f"{path}: {name} is encrypted; a bundle's parts are not: decrypt the file first")
        if (entry.external_attr >> 16) & 0o170000 not in (0, 0o100000):
            raise BadInput(
                f"{path}: {name} is no regular file, which no bundle holds; do not unpack this file"
            )
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadInput(f"{path}: {name} is compressed in a way that no bundle's parts are")
        found[name] = entry
    return found


def _read(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.file_size > LARGEST_PART:
        raise BadInput(
            f"{path}: {entry.filename} says it has {entry.file_size} bytes; {LARGEST_PART} are the most"
        )
    if entry.file_size > MIB and entry.file_size > RATIO * max(1, entry.compress_size):
        raise BadInput(
            f"{path}: {entry.filename} is packed {RATIO} times smaller than it is: no bundle's part is"
        )
    with archive.open(entry) as part:
        data = part.read(entry.file_size + 1)
    if len(data) != entry.file_size:
        raise BadInput(f"{path}: {entry.filename} is not as long as it says; ask for the bundle again")
    return data


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200]
    return "".join(char if char.isprintable() else "\ufffd" for char in text) or type(error).__name__
