"""The commonest functions of sprig (masterminds.github.io/sprig), as goss templates call them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any, Final

from checks.goss.template_numbers import NUMBERS
from checks.goss.template_values import (
    MAX_SIZE,
    Refused,
    as_list,
    as_mapping,
    as_text,
    as_whole,
    bounded,
    inner,
    kind_of,
    printed,
    quoted,
    truth,
)


def _ternary(yes: Any, no: Any, condition: Any) -> Any:
    if not isinstance(condition, bool):
        raise Refused("the condition is neither true nor false")
    return yes if condition else no


def _upper(text: Any) -> str:
    """Sign by sign: what becomes two letters, as ß would, stays as it is."""
    return "".join(large if len(large := sign.upper()) == 1 else sign for sign in as_text(text))


def _repeat(count: Any, text: Any) -> str:
    times = as_whole(count)
    if times < 0 or times * len(as_text(text)) > MAX_SIZE:
        raise Refused("the result is larger than 1 MiB")
    return as_text(text) * times


def _substr(start: Any, end: Any, text: Any) -> str:
    data = as_text(text).encode()
    first, last = as_whole(start), as_whole(end)
    if first < 0:
        return data[:last].decode(errors="replace")
    return (data[first:] if last < 0 or last > len(data) else data[first:last]).decode(errors="replace")


def _trunc(length: Any, text: Any) -> str:
    most = as_whole(length)
    if most < 0:
        return as_text(text)[most:]
    return as_text(text)[:most]


def _trimmed(signs: Any, text: Any) -> str:
    return as_text(text).strip(as_text(signs))


def _indent(count: Any, text: Any) -> str:
    pad = " " * min(max(as_whole(count), 0), 1000)
    if len(pad) * (as_text(text).count("\n") + 1) > MAX_SIZE:
        raise Refused("the result is larger than 1 MiB")
    return pad + as_text(text).replace("\n", "\n" + pad)


def _replace(old: Any, new: Any, text: Any) -> str:
    if not as_text(old):
        raise Refused("an empty text cannot be replaced")
    if as_text(text).count(old) * len(as_text(new)) > MAX_SIZE:
        raise Refused("the result is larger than 1 MiB")
    return str(bounded(text.replace(old, new)))


def _title(text: Any) -> str:
    """Each word's first letter large; the others stay."""
    before, said = " ", ""
    for sign in as_text(text):
        said += sign if before.isalnum() or before in "_'" else sign.upper()
        before = sign
    return said


def _strings(value: Any) -> list[str]:
    """A list's entries as texts; anything else as a list of one."""
    return [inner(each) for each in value if each is not None] if isinstance(value, list) else [inner(value)]


def _dict(*pairs: Any) -> dict[str, Any]:
    made = {inner(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=False)}
    if len(pairs) % 2:
        made[inner(pairs[-1])] = ""
    return made


def _merged(*mappings: Any) -> dict[str, Any]:
    """What stands first wins; mappings within mappings are merged as well."""
    made: dict[str, Any] = {}
    for each in mappings:
        for key, value in as_mapping(each).items():
            if isinstance(made.get(key), dict) and isinstance(value, dict):
                made[key] = _merged(made[key], value)
            elif not truth(made.get(key)):
                made[key] = value
    return made


def _uniq(value: Any) -> list[Any]:
    kept: list[Any] = []
    for each in as_list(value):
        if not any(type(each) is type(other) and each == other for other in kept):
            kept.append(each)
            if len(kept) > 1000:
                raise Refused("more than 1000 different entries")
    return kept


def _json(value: Any) -> str:
    import json

    said = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    for sign in "<>&":
        said = said.replace(sign, f"\\u{ord(sign):04x}")
    return str(bounded(said))


def _from_json(text: Any) -> Any:
    import json

    return json.loads(as_text(text))


def _coded(text: Any) -> str:
    from base64 import b64encode

    return b64encode(as_text(text).encode()).decode()


def _decoded(text: Any) -> str:
    from base64 import b64decode

    return b64decode(as_text(text), validate=True).decode(errors="replace")


def _digest(kind: str) -> Callable[[Any], str]:
    def digest(text: Any) -> str:
        import hashlib

        return hashlib.new(kind, as_text(text).encode(), usedforsecurity=False).hexdigest()

    return digest


def _has(sought: Any, values: Any) -> bool:
    return any(type(each) is type(sought) and each == sought for each in as_list(values))


def _contained(versions: Any, version: Any) -> bool:
    """Whether a version keeps to bounds such as ``>=1.2, <2``."""
    from checks.goss.semver import read_range
    from checks.matchers import read_matcher

    return read_matcher(read_range(as_text(versions).replace(",", " "))).holds(as_text(version))


def _fail(message: Any) -> Any:
    raise Refused(as_text(message))


def _split(separator: Any, text: Any) -> list[str]:
    return list(as_text(text)) if not as_text(separator) else as_text(text).split(separator)


SPRIG: Final[dict[str, Callable[..., Any]]] = {
    **NUMBERS,
    "default": lambda otherwise, value=None: value if truth(value) else otherwise,
    "empty": lambda value: not truth(value),
    "coalesce": lambda *values: next((each for each in values if truth(each)), None),
    "ternary": _ternary,
    "all": lambda *values: all(map(truth, values)),
    "any": lambda *values: any(map(truth, values)),
    "fail": _fail,
    "quote": lambda *values: " ".join(quoted(inner(each)) for each in values if each is not None),
    "squote": lambda *values: " ".join(f"'{inner(each)}'" for each in values if each is not None),
    "toUpper": _upper,
    "upper": _upper,
    "toLower": lambda text: as_text(text).lower(),
    "lower": lambda text: as_text(text).lower(),
    "title": _title,
    "trim": lambda text: as_text(text).strip(),
    "trimAll": _trimmed,
    "trimPrefix": lambda part, text: as_text(text).removeprefix(as_text(part)),
    "trimSuffix": lambda part, text: as_text(text).removesuffix(as_text(part)),
    "nospace": lambda text: "".join(as_text(text).split()),
    "repeat": _repeat,
    "substr": _substr,
    "trunc": _trunc,
    "contains": lambda part, text: as_text(part) in as_text(text),
    "hasPrefix": lambda part, text: as_text(text).startswith(as_text(part)),
    "hasSuffix": lambda part, text: as_text(text).endswith(as_text(part)),
    "replace": _replace,
    "cat": lambda *values: " ".join(inner(each) for each in values if each is not None),
    "indent": _indent,
    "nindent": lambda count, text: "\n" + _indent(count, text),
    "join": lambda separator, values: bounded(as_text(separator).join(_strings(values))),
    "splitList": _split,
    "split": lambda separator, text: {f"_{at}": part for at, part in enumerate(_split(separator, text))},
    "sortAlpha": lambda values: sorted(_strings(values)),
    "list": lambda *values: list(values),
    "tuple": lambda *values: list(values),
    "first": lambda values: values[0] if as_list(values) else None,
    "last": lambda values: values[-1] if as_list(values) else None,
    "rest": lambda values: as_list(values)[1:],
    "initial": lambda values: as_list(values)[:-1],
    "reverse": lambda values: as_list(values)[::-1],
    "append": lambda values, entry: bounded([*as_list(values), entry]),
    "prepend": lambda values, entry: bounded([entry, *as_list(values)]),
    "concat": lambda *lists: bounded([entry for each in lists for entry in as_list(each)]),
    "uniq": _uniq,
    "compact": lambda values: [each for each in as_list(values) if truth(each)],
    "without": lambda values, *gone: [each for each in as_list(values) if not _has(each, list(gone))],
    "has": _has,
    "dict": _dict,
    "get": lambda mapping, key: as_mapping(mapping).get(as_text(key), ""),
    "hasKey": lambda mapping, key: as_text(key) in as_mapping(mapping),
    "keys": lambda *mappings: sorted(key for each in mappings for key in as_mapping(each)),
    "values": lambda mapping: [value for _, value in sorted(as_mapping(mapping).items())],
    "pick": lambda mapping, *names: {key: value for key, value in mapping.items() if key in names},
    "omit": lambda mapping, *names: {key: value for key, value in mapping.items() if key not in names},
    "merge": _merged,
    "toString": printed,
    "toStrings": _strings,
    "toJson": _json,
    "fromJson": _from_json,
    "b64enc": _coded,
    "b64dec": _decoded,
    "sha1sum": _digest("sha1"),
    "sha256sum": _digest("sha256"),
    "semverCompare": _contained,
    "kindOf": kind_of,
    "kindIs": lambda kind, value: kind_of(value) == kind,
    "typeOf": kind_of,
    "base": lambda path: posixpath.basename(as_text(path).rstrip("/")) or ("/" if path else "."),
    "dir": lambda path: posixpath.normpath(posixpath.dirname(as_text(path)) or "."),
    "ext": lambda path: posixpath.splitext(as_text(path))[1],
    "clean": lambda path: posixpath.normpath(as_text(path) or "."),
    "isAbs": lambda path: as_text(path).startswith("/"),
}
