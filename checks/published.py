"""Profiles that a collector published, read from texts: no file is opened for them but shipped ones.

The texts come from elsewhere, so everything is bounded: how many profiles one is put together from, and how
large it can grow by what it repeats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from checks.compiled import parsed
from checks.errors import BadInput, BadProfile
from checks.extending import Base
from checks.harmless import plan_anywhere
from checks.nearest import did_you_mean
from checks.nodes import NAME
from checks.profile import Profile, make_profile, refuse_lost_settlements
from checks.profile_source import (
    VARIABLE,
    Source,
    is_path,
    is_shipped,
    load_source,
    merged,
    profile_names,
)
from checks.rules import PublishedProfile, Rules
from checks.yamlfile import Node

MAX_LOADS: Final = 100
"""Profiles that one is put together from, each counted as often as it is extended."""

MAX_VALUES: Final = 100_000
MAX_CHARACTERS: Final = 4_000_000
"""What its parameters may hold in all once variables stand in them."""

MAX_READ: Final = 8_000_000
MAX_ITEMS: Final = 20_000
"""What all that is published for one site may come to, each extended profile counted as often as it is
extended: characters of text, and items. It is all looked at before any of it is taken.
"""

Texts = Mapping[str, str]
"""The texts of the published profiles by id."""


def texts_of(rules: Rules | None) -> dict[str, str]:
    """The texts of the profiles that can be asked for: a shipped name is always that of the shipped one."""
    if rules is None:
        return {}
    return {each.id: each.text for each in rules.profiles if not is_shipped(each.id)}


def load_published(id: str, texts: Texts) -> Source:
    """The merged source of a published profile, with the shipped and published ones it extends by name.

    Raises `BadProfile` with the profile in the place of a file, or `BadInput` for an id that is not there.
    """
    if id not in texts:
        raise BadInput(f"no published profile {id!r:.100}{did_you_mean(id, [*texts, *profile_names()])}")
    return _loaded(_Shelf(texts), id)


def _loaded(shelf: _Shelf, id: str) -> Source:
    source = shelf.take(id, ())
    _refuse_too_large(source)
    return source


def read_published(id: str, texts: Texts) -> Profile:
    """The published profile with its parameters read; raises as `load_published`."""
    return _read(load_published(id, texts))


def _read(source: Source) -> Profile:
    profile = make_profile(source, adhoc=False)
    refuse_lost_settlements([profile])
    return profile


def named_in(text: str, where: str) -> PublishedProfile:
    """A text as a profile to publish: its id and version are what it says itself. Raises `BadProfile`."""
    root = parsed(text.encode(), where)
    found = {}
    for key in ("profile", "version"):
        node = root.value.get(key) if isinstance(root.value, dict) else None
        if node is None or not isinstance(node.raw, str) or not node.raw.strip():
            raise root.wrong(f"lacks the key {key}: what is published has a profile (its id) and a version")
        found[key] = node.raw.strip()
        if key == "profile" and not NAME.fullmatch(found[key]):
            raise node.wrong(f"{found[key]!r:.60} is no name; use letters, digits, dots, _ and -")
        if not found[key].isprintable():
            raise node.wrong(f"{key} holds characters that cannot be shown")
        if len(found[key]) > 100:
            raise node.wrong(f"{key} has more than 100 characters")
    return PublishedProfile(found["profile"], " ".join(found["version"].split()), text)


def refuse_unusable(profiles: Iterable[PublishedProfile]) -> None:
    """Raise `BadInput` unless every one of these, and all together, can be used as published profiles."""
    listed = list(profiles)
    texts: dict[str, str] = {}
    for each in listed:
        if each.id in texts:
            raise BadInput(f"profile {each.id!r:.100} is published twice")
        if is_shipped(each.id):
            raise BadInput(
                f"profile {each.id} is shipped with Firstlight; what is published has another name"
            )
        texts[each.id] = each.text
    characters = items = 0
    for each in listed:
        own = named_in(each.text, _where(each.id))
        if (own.id, own.version) != (each.id, each.version):
            raise BadInput(f"profile {each.id!r:.100} says of itself that it is {own.id} {own.version}")
        shelf = _Shelf(texts, MAX_READ - characters)
        source = _loaded(shelf, each.id)
        characters, items = characters + shelf.characters, items + len(source.items)
        if items > MAX_ITEMS:
            raise BadInput(f"the published profiles have more than {MAX_ITEMS} items in all")
        plan_anywhere(_read(source))


def closure(id: str, texts: Texts) -> dict[str, str]:
    """The texts that a published profile is made of: its own, and those of published ones it extends."""
    shelf = _Shelf(texts)
    shelf.take(id, ())
    return {name: texts[name] for name in sorted(shelf.taken)}


class _Shelf:
    """One profile being put together; `taken` are the published ones that were needed."""

    def __init__(self, texts: Texts, most: int = MAX_READ) -> None:
        self.texts, self.loads = texts, 0
        self.characters, self.most = 0, most
        self.taken: set[str] = set()

    def take(self, id: str, above: tuple[str, ...]) -> Source:
        self.taken.add(id)
        chain = (*above, id)
        where = _where(id)
        self.characters += len(self.texts[id])
        if self.characters > self.most:
            raise BadInput(
                f"{where}: put together, the published profiles have more than {MAX_READ} characters"
            )
        return merged(parsed(self.texts[id].encode(), where), where, lambda entry: self._base(entry, chain))

    def _base(self, entry: Base, chain: tuple[str, ...]) -> Source:
        node = entry.profile
        name = str(node.value)
        if is_path(name):
            said = "what is published extends shipped and published profiles by name, and no file"
            raise node.wrong(f"extends {name!r:.100}: {said}")
        self.loads += 1
        if self.loads > MAX_LOADS:
            raise node.wrong(f"is put together from more than {MAX_LOADS} profiles")
        if is_shipped(name):
            return load_source(name)
        if name in chain:
            raise node.wrong(f"extends {name!r:.100}, which leads back to it")
        if name not in self.texts:
            near = did_you_mean(name, [*self.texts, *profile_names()])
            raise node.wrong(f"extends {name!r:.100}, which is neither shipped nor published here{near}")
        return self.take(name, chain)


def _where(id: str) -> str:
    return f"{id} (published)"


def _refuse_too_large(source: Source) -> None:
    """Raise `BadProfile` where variables would blow the parameters up."""
    values = characters = 0
    sizes = {name: (node.size, _characters(node)) for name, node in source.variables.items()}
    items = [(each.node, each.parameters) for each in (*source.items.values(), *source.replaced)]
    logs = [(each.node, each.keys) for each in source.logs.values()]
    for entry, parameters in (*items, *logs):
        for node in parameters.values():
            for text in _scalars(node):
                values += 1
                characters += len(text)
                for found in VARIABLE.finditer(text) if "${" in text else ():
                    size, length = sizes.get(found[1] or "", (0, 0))
                    values, characters = values + size, characters + length
            if values > MAX_VALUES or characters > MAX_CHARACTERS:
                raise BadProfile(source.where, entry.line, "its parameters are too large")


def _scalars(node: Node) -> Iterable[str]:
    if isinstance(node.value, dict):
        for part in node.value.values():
            yield from _scalars(part)
    elif isinstance(node.value, list):
        for part in node.value:
            yield from _scalars(part)
    else:
        yield node.raw or ""


def _characters(node: Node) -> int:
    return sum(map(len, _scalars(node)))
