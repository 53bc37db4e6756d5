"""The folders of checks in use: of --checks-dir, else $FIRSTLIGHT_CHECKS_DIR, else the configuration."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

VARIABLE = "FIRSTLIGHT_CHECKS_DIR"


def use_folders(given: Iterable[Path] = ()) -> None:
    """Declare the checks of the folders that were given, or else of those that are set.

    Raises `BadInput`, for what is wrong in a folder with file and line.
    """
    folders = [*given] or _set()
    if folders:
        from checks.authoring.plugins import use

        use(folders)


def _set() -> list[Path]:
    listed = os.environ.get(VARIABLE)
    if listed:
        return [Path(each) for each in listed.split(os.pathsep) if each]
    from agent.paths import state

    here = state()
    if not here.config.exists():
        return []
    from agent.config import load_config

    return [Path(each) for each in load_config(here).checks_dir]
