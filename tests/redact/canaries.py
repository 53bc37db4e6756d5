"""Planted secrets, and the search for them: in every form that programs write text in, in everything kept."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus


def forms(secret: str) -> set[bytes]:
    """The secret raw, as JSON, URLs and HTML escape it, in hexadecimal, and in base64 at any offset."""
    raw = secret.encode()
    found = {raw, json.dumps(secret)[1:-1].encode(), json.dumps(secret, ensure_ascii=False)[1:-1].encode()}
    found |= {quote(secret, safe="").encode(), quote(secret).encode(), quote_plus(secret).encode()}
    found |= {
        raw.hex().encode(),
        raw.hex().upper().encode(),
        secret[::-1].encode(),
        repr(secret)[1:-1].encode(),
    }
    found.add(secret.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&#34;").encode())
    for shift in range(3):
        # Only the groups that hold nothing but the secret are the same whatever stands around it.
        whole = base64.b64encode(b"\0" * shift + raw)
        begin = 0 if shift == 0 else 4
        found.add(whole[begin : len(whole) - 4])
    return {form for form in found if len(form) >= 6}


class Canaries:
    """Secrets by where each was planted."""

    def __init__(self, planted: Mapping[str, str]) -> None:
        self.planted = dict(planted)
        self._forms = {name: forms(secret) for name, secret in planted.items()}

    def among(self, data: bytes) -> set[str]:
        """The names of the secrets that stand in these bytes in any form."""
        return {name for name, every in self._forms.items() if any(form in data for form in every)}

    def below(self, folder: Path, skip: Iterable[Path] = ()) -> dict[str, set[str]]:
        """File → the secrets in it, for all files below a folder, whatever they are packed in."""
        left_out = {path.resolve() for path in skip}
        found = {}
        for path in sorted(folder.rglob("*")):
            if not path.is_file() or any(
                part in left_out for part in (path.resolve(), *path.resolve().parents)
            ):
                continue
            names = {name for data in unpacked(path.read_bytes()) for name in self.among(data)}
            names |= self.among(str(path).encode())
            if names:
                found[str(path.relative_to(folder))] = names
        return found


def unpacked(data: bytes) -> Iterator[bytes]:
    """The bytes, and what is packed in them: gzip and zip, and base64 inside JSON and HTML."""
    yield data
    if data[:2] == b"\x1f\x8b":
        yield from unpacked(gzip.decompress(data))
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield from unpacked(archive.read(name))
    for block in re.findall(rb"[A-Za-z0-9+/]{24,}={0,2}", data):
        try:
            yield base64.b64decode(block + b"=" * (-len(block) % 4))
        except ValueError:
            continue
