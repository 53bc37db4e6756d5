"""The registry of Windows, read only: the one door to `winreg`, which other systems do not have."""

from __future__ import annotations

from typing import Any

from checks.fact import NotReadable


def registry_value(path: str, name: str) -> str | None:
    """A value below HKEY_LOCAL_MACHINE as text; None where it is not there."""
    winreg = _winreg()
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
            return str(winreg.QueryValueEx(key, name)[0])
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotReadable(f"the registry key {path} cannot be read: {error.strerror}", "denied") from error


def registry_key(path: str) -> bool:
    """Whether a key exists below HKEY_LOCAL_MACHINE."""
    winreg = _winreg()
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path):
            return True
    except FileNotFoundError:
        return False
    except OSError as error:
        raise NotReadable(f"the registry key {path} cannot be read: {error.strerror}", "denied") from error


def _winreg() -> Any:
    from importlib import import_module

    try:
        return import_module("winreg")
    except ImportError as error:
        raise NotReadable("this system has no registry", "unsupported") from error
