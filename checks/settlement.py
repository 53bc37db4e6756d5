"""How a profile settles that others demand different things of one: the entries of its key `settle`."""

from __future__ import annotations

from typing import Final

import msgspec

from checks.nodes import choice, entries, line, mapping
from checks.yamlfile import Node

KEYS: Final = ("thing", "rule", "prefer", "reason")
RULES: Final = ("max", "min", "override", "accept")
REASONED: Final = ("override", "accept")
"""The rules that need a reason, because they let a demand go or leave two that cannot both hold."""


class Settlement(msgspec.Struct, frozen=True):
    """One entry: about which thing (``kern.param vm.swappiness``), by which rule, and why.

    max       the stricter or higher: of two `at_least` the higher, of two `at_most` the lower, of two numbers
              the higher
    min       the other one
    override  the demand of the profile or item that `prefer` names
    accept    both stay, and it is known that they differ
    """

    thing: str
    rule: str
    prefer: str
    reason: str
    node: Node


def read_settlements(node: Node | None) -> dict[str, Settlement]:
    """The entries by their thing; raises `BadProfile` with file and line."""
    found: dict[str, Settlement] = {}
    for entry in entries(node, "settle"):
        keys = mapping(entry, KEYS, "an entry of settle")
        for required in ("thing", "rule"):
            if required not in keys:
                raise entry.wrong(f"an entry of settle names its {required}")
        thing, rule = line(keys["thing"], 700), choice(keys["rule"], RULES)
        if thing in found:
            raise keys["thing"].wrong(
                f"{thing!r:.100} is settled twice; the first is in line {found[thing].node.line}"
            )
        if rule in REASONED and "reason" not in keys:
            raise keys["rule"].wrong(f"{rule} needs a reason: say why, for those who read the report")
        if (rule == "override") is not ("prefer" in keys):
            said = "override needs `prefer`, the profile or the item whose demand counts"
            raise keys["rule"].wrong(
                said if rule == "override" else f"`prefer` is for override, not for {rule}"
            )
        prefer = line(keys["prefer"], 200) if "prefer" in keys else ""
        reason = line(keys["reason"], 500) if "reason" in keys else ""
        found[thing] = Settlement(thing, rule, prefer, reason, entry)
    return found
