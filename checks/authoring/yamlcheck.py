"""A check in one YAML file, for people who do not program: facts, rules with expressions, and its cases.

It becomes a `Check` like any other, so profiles, plans, reports and data tests know no difference. What an
expression may say is `checks.authoring.expression`'s business, which keys there are is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from checks.authoring.expression import Expression, read_expression
from checks.authoring.namedfacts import read_fact
from checks.authoring.rules import Rule, Rules, Saying, read_saying
from checks.fact import Fact
from checks.matchers import Matcher
from checks.model import Severity, Status, Verdict
from checks.nodes import choice, entries, line, mapping, shown
from checks.parameters import Parameter, read_value
from checks.paths import AbsolutePath
from checks.patterns import Pattern
from checks.placeholders import PLACEHOLDER, names_in
from checks.registry import OWNERS, Check, refuse_bad_declaration
from checks.units import Percent, Size, Span
from checks.yamlfile import Node, load_file

KEYS: Final = (
    "check", "title", "doc", "remedy", "source", "severity", "owner", "version", "about", "object",
    "parameters", "each", "facts", "rules", "otherwise", "evidence", "cases",
)  # fmt: skip
REQUIRED: Final = ("check", "title", "doc", "remedy", "source", "owner", "facts", "rules", "otherwise")
PARAMETER_KEYS: Final = ("type", "default", "choices")
RULE_KEYS: Final = ("when", "then", "say", "cause", "severity")

TYPES: Final[dict[str, Any]] = {
    "text": str,
    "whole number": int,
    "number": float,
    "true or false": bool,
    "size": Size,
    "percentage": Percent,
    "duration": Span,
    "regular expression": Pattern,
    "absolute path": AbsolutePath,
    "condition": Matcher,
    "list of text": tuple[str, ...],
    "list of numbers": tuple[float, ...],
}
"""The types that parameters of such a check may have, in a user's words."""


class WrittenCheck(Check, frozen=True, dict=True, eq=False):
    """A check whose parameters and documentation stand in a file, not in a function."""

    given: dict[str, Parameter] = msgspec.field(default_factory=dict)
    pages: dict[str, str] = msgspec.field(default_factory=dict)

    @cached_property
    def hints(self) -> dict[str, Any]:
        return {"return": Verdict}

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        return self.given

    @cached_property
    def wants_now(self) -> bool:
        return True

    @cached_property
    def _page(self) -> dict[str, str]:
        return self.pages


class Written(msgspec.Struct, frozen=True):
    """A file that was read: its check, the line of its id, and its cases as they stand there."""

    check: Check
    line: int | None
    cases: Node | None


def is_check(path: Path) -> bool:
    """Whether a YAML file holds a check. Raises `BadProfile`."""
    root = load_file(path)
    return isinstance(root.value, dict) and "check" in root.value


def load_check(path: Path) -> Written:
    """The check of a file, not yet known to the registry; raises `BadProfile` with file and line."""
    root = load_file(path)
    keys = mapping(root, KEYS, "a check")
    for required in REQUIRED:
        if required not in keys:
            raise root.wrong(f"lacks the key {required}: a check has {', '.join(REQUIRED)}")
    id = line(keys["check"], 100)
    parameters = _parameters(keys.get("parameters"))
    each = _each(keys.get("each"), parameters)
    facts = _facts(keys["facts"], parameters)
    about = line(keys["about"], 100) if "about" in keys else next(iter(parameters), "system")
    label = line(keys["object"], 300) if "object" in keys else f"{{{about}}}" if about in parameters else ""
    if about not in (*parameters, "system") and "object" not in keys:
        raise keys["about"].wrong(
            f"is about {about!r:.60}, which is no parameter; name one, or give an object"
        )
    for name in PLACEHOLDER.findall(label):
        if name not in parameters:
            raise keys["object"].wrong(f"object: there is no parameter {name!r:.60}")
    rules = _rules(keys, {**_kinds(facts), **dict.fromkeys(parameters), "now": None})
    function = Rules(rules, _evidence(keys, facts, parameters), str(path), id)
    owner = choice(keys["owner"], OWNERS)
    try:
        refuse_bad_declaration(id, (*facts, *parameters), owner, each, None, facts)
    except ValueError as problem:
        raise keys["check"].wrong(str(problem)) from None
    made = WrittenCheck(
        id,
        _version(keys.get("version")),
        Severity(choice(keys["severity"], [*Severity])) if "severity" in keys else Severity.P2,
        about,
        owner,
        label,
        each,
        None,
        dict(facts),
        function,
        given=parameters,
        pages={name: _prose(keys[name]) for name in ("title", "doc", "remedy", "source")},
    )
    return Written(made, keys["check"].line, keys.get("cases"))


def _prose(node: Node) -> str:
    if not isinstance(node.value, str) or not node.value.strip():
        raise node.wrong(f"expected a text, not {shown(node)}")
    paragraphs = (" ".join(part.split()) for part in node.value.split("\n\n"))
    return "\n\n".join(part for part in paragraphs if part)


def _version(node: Node | None) -> int:
    if node is None:
        return 1
    if type(node.value) is not int or not 1 <= node.value <= 100_000:
        raise node.wrong(
            "the version of a check is a whole number; raise it when it begins to judge differently"
        )
    return node.value


def _parameters(node: Node | None) -> dict[str, Parameter]:
    if node is None or node.value is None:
        return {}
    if not isinstance(node.value, dict):
        raise node.wrong("parameters are a mapping: {seats: {type: whole number, default: 10}}")
    made = {}
    for name, given in node.value.items():
        if not name.isidentifier() or name.startswith("_") or name == "now":
            raise given.wrong(f"{name!r:.60} is no name for a parameter; use letters, digits and _")
        made[name] = _parameter(name, given)
    return made


def _parameter(name: str, node: Node) -> Parameter:
    keys = mapping(node, PARAMETER_KEYS, f"the parameter {name}")
    if "choices" in keys:
        words = [str(each.raw) for each in entries(keys["choices"], "choices")]
        if not words or "type" in keys:
            raise keys["choices"].wrong("`choices` are words, given in place of a type: {choices: [on, off]}")
        hint: Any = Literal[tuple(words)]  # made from a file
    else:
        hint = TYPES[choice(keys["type"], [*TYPES])] if "type" in keys else str
    if "default" not in keys:
        return Parameter(name, hint, True)
    default = keys["default"]
    value = default.value if default.value in (None, "") else read_value(hint, default)
    return Parameter(name, hint, False, value)


def _facts(node: Node, parameters: Mapping[str, Parameter]) -> dict[str, Fact]:
    if not isinstance(node.value, dict) or not node.value:
        raise node.wrong("facts are a mapping: {licence: {FileStat: {path: /etc/licence}}}")
    made = {}
    for name, given in node.value.items():
        if not name.isidentifier() or name.startswith("_") or name in (*parameters, "now"):
            raise given.wrong(f"{name!r:.60} is no name for a fact, or is taken by a parameter")
        made[name] = _filled(read_fact(given), given, parameters)
    return made


def _each(node: Node | None, parameters: dict[str, Parameter]) -> tuple[str, Fact] | None:
    """The parameter that an enumerating fact fills where a profile leaves it empty."""
    if node is None:
        return None
    if not isinstance(node.value, dict) or len(node.value) != 1:
        raise node.wrong(
            "`each` names one parameter and the fact that lists its values: {mount: {Mounts: {}}}"
        )
    ((name, given),) = node.value.items()
    if name not in parameters or parameters[name].hint is not str:
        raise given.wrong(f"`each` needs a parameter {name!r:.60} of the type text")
    fact = _filled(read_fact(given), given, parameters)
    if type(fact).value_type not in (list[str], tuple[str, ...]):
        raise given.wrong(f"{type(fact).__name__} does not give a list of text")
    parameters[name] = Parameter(name, str, False, "")
    return name, fact


def _filled(fact: Fact, node: Node, parameters: Mapping[str, Parameter]) -> Fact:
    for name in sorted(names_in(fact) - {*parameters}):
        raise node.wrong(f"{type(fact).__name__} names the parameter {name!r:.60}, which there is not")
    return fact


def _kinds(facts: Mapping[str, Fact]) -> dict[str, Any]:
    """The types of the readings, by which fields that do not exist are found out."""
    return {name: type(fact).value_type for name, fact in facts.items()}


def _rules(keys: Mapping[str, Node], known: Mapping[str, Any]) -> tuple[Rule, ...]:
    made = []
    for node in entries(keys["rules"], "rules"):
        parts = mapping(node, RULE_KEYS, "a rule")
        if "when" not in parts:
            raise node.wrong("a rule says `when` it decides; what decides else is `otherwise`")
        made.append(_rule(node, parts, known, read(parts["when"], known)))
    if not made:
        raise keys["rules"].wrong("there are no rules; give one at least")
    otherwise = keys["otherwise"]
    parts = mapping(otherwise, RULE_KEYS[1:], "`otherwise`")
    return (*made, _rule(otherwise, parts, known, None))


def _rule(node: Node, parts: Mapping[str, Node], known: Mapping[str, Any], when: Expression | None) -> Rule:
    for required in ("then", "say"):
        if required not in parts:
            raise node.wrong(f"lacks `{required}`: a rule has when, then and say")
    words = [str(each) for each in (Status.PASS, Status.WARN, Status.FAIL, Status.SKIP, Status.ERROR)]
    return Rule(
        when,
        Status(choice(parts["then"], words)),
        _saying(parts["say"], known),
        line(parts["cause"], 100) if "cause" in parts else "",
        Severity(choice(parts["severity"], [*Severity])) if "severity" in parts else None,
        node.line,
    )


def _saying(node: Node, known: Mapping[str, Any]) -> Saying:
    text = line(node, 1000)
    try:
        return read_saying(text, known)
    except ValueError as problem:
        raise node.wrong(f"say: {problem}") from None


def _evidence(
    keys: Mapping[str, Node], facts: Mapping[str, Fact], parameters: Mapping[str, Parameter]
) -> dict[str, Expression]:
    if "evidence" not in keys:
        return {}
    node = keys["evidence"]
    if not isinstance(node.value, dict):
        raise node.wrong("evidence is a mapping of names to expressions: {seats: licence.value}")
    known = {**_kinds(facts), **dict.fromkeys(parameters), "now": None}
    return {name: read(part, known) for name, part in node.value.items()}


def read(node: Node, known: Mapping[str, Any]) -> Expression:
    """The expression at a place; raises `BadProfile`."""
    if isinstance(node.value, dict | list) or not node.raw:
        raise node.wrong(f"expected an expression, not {shown(node)}")
    try:
        return read_expression(node.raw, known)
    except ValueError as problem:
        raise node.wrong(str(problem)) from None
