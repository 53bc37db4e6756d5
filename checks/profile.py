"""A profile: which checks, with which parameters, on which targets, at which stage.

This module turns the merged text of a profile (`checks.profile_source`) into items whose parameters are
typed and checked. What is run where is `checks.plan`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from checks import registry
from checks.errors import BadInput, BadProfile
from checks.ids import rule_digest
from checks.logs import LogEntry, read_entry
from checks.model import OVERRIDDEN, Severity
from checks.nearest import did_you_mean
from checks.parameters import canonical
from checks.placeholders import fill_text
from checks.profile_source import VARIABLE, ItemSource, Source, load_source, variables_in
from checks.registry import Check
from checks.settlement import Settlement
from checks.yamlfile import Node, load_text


class Item(msgspec.Struct, frozen=True, dict=True):
    """One entry of a profile.

    `arguments` are the effective parameters as the check's function takes them, `parameters` the same as
    JSON shapes, equal for equal meaning. `roles` says on which targets it runs; empty means on all.
    `needs` are the items whose failure would explain its own. `profile`, `where` and `line` say which profile
    wrote it last, in which file.
    """

    id: str
    check: str
    parameters: dict[str, Any]
    arguments: dict[str, Any]
    severity: Severity
    opens_on: str = "fail"
    stages: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    profile: str = ""
    where: str = ""
    line: int | None = None

    @cached_property
    def declared(self) -> Check:
        return registry.get(self.check)

    @cached_property
    def shown(self) -> dict[str, str]:
        """The arguments as people write them, by name."""
        return {
            name: "" if value is None else self.show(name, value) for name, value in self.arguments.items()
        }

    @cached_property
    def thing(self) -> str:
        """What it is about: its check and the object, ``kern.param vm.swappiness``."""
        return f"{self.check} {fill_text(self.declared.object, self.shown)}".rstrip()

    def show(self, name: str, value: Any) -> str:
        """A value of one of the parameters for people."""
        parameter = self.declared.parameters.get(name)
        return parameter.show(value) if parameter is not None else str(value)

    @cached_property
    def rule(self) -> str:
        """The digest that names item, check version and effective parameters (`checks.ids`)."""
        return rule_digest(self.id, self.check, self.declared.version, self.parameters, self.opens_on)


class Profile(msgspec.Struct, frozen=True):
    """A profile as loaded; `adhoc` says that it came from a file of the user's or was changed by --set.

    `replaced` are items of a base that a later base has otherwise, unasked; `settlements` are by their thing.
    `logs` are those that a diagnostic bundle takes along.
    """

    id: str
    version: str
    title: str
    items: tuple[Item, ...]
    adhoc: bool = False
    replaced: tuple[Item, ...] = ()
    settlements: dict[str, Settlement] = {}
    logs: tuple[LogEntry, ...] = ()

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that its items name."""
        return tuple(dict.fromkeys(stage for item in self.items for stage in item.stages))


def load_profile(name_or_path: str | Source, *, overrides: Sequence[str] = ()) -> Profile:
    """The profile of that name, or in that file (a path holds ``/`` or ends with .yaml or .yml).

    What is loaded already, such as another tool's file, is given as a `Source`.

    `overrides` are texts ``item.parameter=value`` (--set). Raises `BadProfile` with file and line, or
    `BadInput` for a name or an override that is wrong.
    """
    profile = make_profile(_overridden(name_or_path, overrides), adhoc=bool(overrides))
    refuse_lost_settlements([profile])
    return profile


class SiteProfile(msgspec.Struct, frozen=True):
    """A profile as a site reads it: `targets` has the reading of each target that has variables of its own.

    `profile` is that of the site as a whole, which checks across targets take.
    """

    profile: Profile
    targets: dict[str, Profile]


def load_for_site(
    name_or_path: str | Source,
    *,
    site: Mapping[str, Node],
    targets: Mapping[str, Mapping[str, Node]],
    overrides: Sequence[str] = (),
) -> SiteProfile:
    """The profile with the site's variables, and with those of each target before them.

    Raises as `load_profile`, and `BadProfile` for a variable that the profile neither defines nor uses.
    """
    source = _overridden(name_or_path, overrides)
    names = variables_in(source)
    for given in (site, *targets.values()):
        for name, node in given.items():
            if name not in names:
                raise node.wrong(
                    f"profile {source.id} has no variable {name!r:.100}{did_you_mean(name, names)}"
                )
    own, adhoc = source.variables, bool(overrides)
    # What no site-wide value exists for is taken from a target: the profile as a whole needs some value.
    some = {name: node for given in reversed(list(targets.values())) for name, node in given.items()}
    whole = make_profile(msgspec.structs.replace(source, variables={**some, **own, **site}), adhoc=adhoc)
    each = {
        target: make_profile(msgspec.structs.replace(source, variables={**own, **site, **given}), adhoc=adhoc)
        for target, given in targets.items()
        if given
    }
    refuse_lost_settlements([whole, *each.values()])
    return SiteProfile(whole, each)


def _overridden(name_or_path: str | Source, overrides: Sequence[str]) -> Source:
    source = load_source(name_or_path) if isinstance(name_or_path, str) else name_or_path
    for override in overrides:
        _override(source, override)
    if overrides:
        source.version = f"{source.version[:90]}{OVERRIDDEN}"
    return source


def make_profile(source: Source, *, adhoc: bool) -> Profile:
    """The profile that a merged source describes; raises `BadProfile`."""
    _refuse_lost_needs(source)
    items = tuple(read_item(item, source.variables) for item in source.items.values())
    if not items:
        raise BadProfile(source.where, None, "has no items, so it would check nothing")
    replaced = tuple(read_item(item, source.variables) for item in source.replaced)
    return Profile(
        source.id,
        source.version,
        source.title,
        items,
        adhoc or source.from_file,
        replaced,
        source.settlements,
        _read_logs(source),
    )


def _read_logs(source: Source) -> tuple[LogEntry, ...]:
    """The logs with their variables filled in; raises `BadProfile`."""
    entries = [
        read_entry(log, {key: substitute(node, source.variables) for key, node in log.keys.items()})
        for log in source.logs.values()
    ]
    return tuple(entry for entry in entries if entry is not None)


def refuse_lost_settlements(profiles: Sequence[Profile]) -> None:
    """What is settled is something that an item is about, and who is preferred has a say in the profile."""
    settlements = profiles[0].settlements
    if not settlements:
        return
    items = [item for profile in profiles for item in (*profile.items, *profile.replaced)]
    things = {item.thing for item in items}
    names = {name for item in items for name in (item.profile, item.id)}
    for rule in settlements.values():
        if rule.thing not in things:
            said = f"settles {rule.thing!r:.100}, which no item is about"
            raise rule.node.wrong(f"{said}{did_you_mean(rule.thing, things)}")
        if rule.prefer and rule.prefer not in names:
            said = f"prefers {rule.prefer!r:.100}, which is neither a profile nor an item here"
            raise rule.node.wrong(f"{said}{did_you_mean(rule.prefer, names)}")


def _refuse_lost_needs(source: Source) -> None:
    """What an item needs is another item, and never leads back to itself."""
    needs = {item.id: [word.value for word in item.needs] for item in source.items.values()}
    for item in source.items.values():
        for word in item.needs:
            if word.value not in needs:
                raise word.wrong(
                    f"needs the item {word.value!r:.100}, unknown{did_you_mean(word.value, needs)}"
                )
            above, seen = [word.value], {word.value}
            while above:
                at = above.pop()
                if at == item.id:
                    raise word.wrong(f"item {item.id} needs {word.value}, which leads back to {item.id}")
                above += [name for name in needs[at] if name in needs and name not in seen]
                seen.update(needs[at])


def _override(source: Source, override: str) -> None:
    """Put the value of one ``item.parameter=value`` in place."""
    name, equals, text = override.partition("=")
    item_id, dot, parameter = name.strip().rpartition(".")
    if not equals or not dot or not item_id or not parameter:
        raise BadInput(f"--set {override[:100]!r}: write it as item.parameter=value")
    item = source.items.get(item_id)
    if item is None:
        raise BadInput(f"--set {name[:100]}: no item {item_id!r:.100}{did_you_mean(item_id, source.items)}")
    item.parameters[parameter] = load_text(text, f"--set {name.strip()[:100]}").anywhere()


def read_item(source: ItemSource, variables: Mapping[str, Node]) -> Item:
    """The item with its parameters read; raises `BadProfile` with the place of the mistake."""
    try:
        check = registry.get(source.check.value)
    except BadInput as problem:
        raise source.check.wrong(str(problem)) from None
    if check.generic and not source.named:
        required = [name for name, parameter in check.parameters.items() if parameter.required]
        raise source.node.wrong(
            f"{check.id} can be about many things, so this item needs an id of its own: "
            f"id: {check.id}-<what> (it has to be told {', '.join(required)})"
        )
    arguments = {}
    for name, node in source.parameters.items():
        parameter = check.parameters.get(name)
        if parameter is None:
            raise node.wrong(
                f"{check.id} has no parameter {name!r:.100}{did_you_mean(name, check.parameters)}"
            )
        try:
            if parameter.public:
                _refuse_secret_variables(node)
            arguments[name] = parameter.read(substitute(node, variables))
        except BadProfile as problem:
            raise BadProfile(problem.where, problem.line, f"{name}: {problem.problem}") from None
    for name, parameter in check.parameters.items():
        if name not in arguments and parameter.required:
            raise source.node.wrong(f"item {source.id} lacks the parameter {name} ({parameter.type})")
        arguments.setdefault(name, parameter.default)
    wrong = check.refuse(arguments) if check.refuse is not None else None
    if wrong is not None:
        node = source.parameters.get(wrong[0], source.node)
        raise node.wrong(f"{wrong[0]}: {wrong[1]}" if node is not source.node else wrong[1])
    return Item(
        source.id,
        check.id,
        canonical(arguments),
        arguments,
        source.severity or check.severity,
        source.opens_on,
        source.stages,
        source.roles,
        tuple(word.value for word in source.needs),
        source.profile,
        source.node.where,
        source.node.line,
    )


def _refuse_secret_variables(node: Node) -> None:
    """Raise `BadProfile` where a variable whose name looks secret stands in what every user can see."""
    from checks.argv import INSTEAD
    from checks.facts.secrets import names_a_secret

    for found in VARIABLE.finditer(str(node.plain())):
        if found[1] and names_a_secret(found[1]):
            raise node.wrong(f"the variable {found[1]} looks like a secret: {INSTEAD}")


def substitute(node: Node, variables: Mapping[str, Node]) -> Node:
    """The node with ``${name}`` replaced; where it is the whole value the variable's type is kept.

    ``$${`` stands for a literal ``${``. Raises `BadProfile` for a variable that is not defined.
    """
    if isinstance(node.value, dict):
        return msgspec.structs.replace(
            node, value={key: substitute(part, variables) for key, part in node.value.items()}
        )
    if isinstance(node.value, list):
        return msgspec.structs.replace(node, value=[substitute(part, variables) for part in node.value])
    if not isinstance(node.value, str) or "${" not in node.value:
        return node

    def variable(name: str) -> Node:
        found = variables.get(name)
        if found is None:
            raise node.wrong(f"no variable {name!r:.100} is defined{did_you_mean(name, variables)}")
        return found

    whole = VARIABLE.fullmatch(node.value)
    if whole and whole[1]:
        found = variable(whole[1])
        return msgspec.structs.replace(node, value=found.value, raw=found.raw)

    def text(name: str) -> str:
        found = variable(name)
        if isinstance(found.value, list | dict) or found.raw is None:
            raise node.wrong(f"variable {name!r:.100} is no single value and cannot stand inside a text")
        return found.raw

    said = VARIABLE.sub(lambda found: text(found[1]) if found[1] else "${", node.value)
    return msgspec.structs.replace(node, value=said, raw=said)
