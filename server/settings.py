"""What an administrator may set for the collector, from FIRSTLIGHT_* variables and command options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from checks.errors import BadInput

MIB = 1024 * 1024
PREFIX = "FIRSTLIGHT_"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes in bytes. `public_url` is how agents and browsers reach this collector, without a final slash.

    `secure_cookies` belongs on wherever TLS ends in front of this process; left unset it follows
    `public_url`. `trust_proxy` takes the client's address from X-Forwarded-For, which only a proxy of
    one's own may write.
    """

    db: str
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8750
    public_url: str = ""
    secure_cookies: bool | None = None
    trust_proxy: bool = False
    max_body: Annotated[int, Meta(ge=1024)] = 8 * MIB
    max_decompressed: Annotated[int, Meta(ge=1024)] = 32 * MIB
    max_api_body: Annotated[int, Meta(ge=1024)] = MIB // 4
    max_import: Annotated[int, Meta(ge=1024)] = 1024 * MIB

    @property
    def url(self) -> str:
        """The address to print and to link to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def cookies_secure(self) -> bool:
        if self.secure_cookies is not None:
            return self.secure_cookies
        return self.url.startswith("https://")


def default_db() -> str:
    """Where the embedded store lies: below /var/lib for root, else below the home folder."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return "/var/lib/firstlight-server/firstlight.db"
    return str(Path("~/.local/share/firstlight/firstlight.db").expanduser())


def load_settings(environment: Mapping[str, str] | None = None, **options: Any) -> Settings:
    """Settings from FIRSTLIGHT_DB, FIRSTLIGHT_HOST, … and options; an option that is None is not given.

    Raises `BadInput` naming the variable or option and what would be right.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {"db": default_db()}
    for name in Settings.__struct_fields__:
        text = environment.get(PREFIX + name.upper())
        if text:
            values[name] = _read(name, text)
    values.update({name: value for name, value in options.items() if value is not None})
    try:
        return msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        raise BadInput(f"settings: {error}") from error


def _read(name: str, text: str) -> Any:
    field = next(f for f in msgspec.structs.fields(Settings) if f.name == name)
    try:
        return msgspec.convert(text, field.type, strict=False)
    except msgspec.ValidationError as error:
        raise BadInput(f"{PREFIX}{name.upper()}={text}: {error}") from error
