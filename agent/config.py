"""What an administrator may set, in an optional ``config.toml`` of the state folder."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from agent.paths import State
from checks.errors import BadInput

Seconds = Annotated[float, Meta(gt=0, le=3600)]


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds for a connect and for an answer, days that delivered runs are kept on this machine.

    `checks_dir` are the folders of checks that are in use where neither --checks-dir nor the environment
    names any.
    """

    connect_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 30.0
    keep_sent_days: Annotated[float, Meta(ge=0, le=3650)] = 7.0
    checks_dir: tuple[str, ...] = ()


def load_config(state: State) -> Config:
    """The settings; raises `BadInput` with the file and what was wrong in it."""
    try:
        text = state.config.read_bytes()
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise BadInput(f"{state.config}: {error.strerror}") from error
    try:
        return msgspec.toml.decode(text, type=Config)
    except (msgspec.MsgspecError, ValueError) as error:
        known = ", ".join(Config.__struct_fields__)
        raise BadInput(f"{state.config}: {error}; it may set {known}") from error
