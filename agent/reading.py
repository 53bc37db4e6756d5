"""One fact read through one host: whatever it raises becomes a reading with its cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from checks.fact import Fact, Known, NotReadable, Reading, Unavailable

if TYPE_CHECKING:
    from checks.facts.host import Host


def reading_of(fact: Fact, host: Host) -> Reading:
    """One reading; what an error means is told by its kind."""
    try:
        return Known(_that_travels(fact, fact.read(host)))
    except NotReadable as problem:
        return Unavailable(problem.reason, problem.cause)
    except PermissionError as problem:
        return Unavailable(_says(problem, "permission denied"), "denied")
    except FileNotFoundError as problem:
        return Unavailable(_says(problem, "does not exist"), "absent")
    except TimeoutError as problem:
        return Unavailable(_says(problem, "timed out"), "timeout")
    except OSError as problem:
        return Unavailable(_says(problem, problem.strerror or type(problem).__name__), "failed")
    except Exception as problem:  # noqa: BLE001 - the border: a fact may be anyone's, the others go on
        return Unavailable(f"{type(problem).__name__}: {problem}"[:1000], "failed")


_encoder = msgspec.json.Encoder()


def _that_travels(fact: Fact, value: Any) -> Any:
    """The value; where it holds names that are no text (any bytes but 0 may be one), with a sign in place of
    what cannot be written."""
    try:
        _encoder.encode(value)
    except UnicodeEncodeError:
        return msgspec.convert(_written(msgspec.to_builtins(value)), type(fact).value_type or Any)
    return value


def _written(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {_written(name): _written(part) for name, part in value.items()}
    return [_written(part) for part in value] if isinstance(value, list | tuple) else value


def _says(problem: OSError, otherwise: str) -> str:
    return f"{problem.filename}: {otherwise}" if problem.filename else otherwise
