"""One profile of what was found at all targets: which item is for which roles, and what has no place."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from agent.discover.merging import inlined, merged
from agent.discover.scalars import scalar
from agent.discover.seen import Entry, Extension, Finding, Note

Roles = tuple[str, ...]


class Placed(msgspec.Struct, frozen=True):
    """An item of the profile: `roles` says at which targets, at all where it is empty."""

    entry: Entry
    roles: Roles = ()


class Base(msgspec.Struct, frozen=True):
    """A profile that the new one extends."""

    profile: str
    why: str
    roles: Roles = ()


class Removed(msgspec.Struct, frozen=True):
    """An item of a base that does not pass at these machines, and what it says."""

    id: str
    why: str


class Draft(msgspec.Struct, frozen=True):
    """A profile before it is written. `unneeded` are items of bases whose `needs` were taken out."""

    id: str
    targets: tuple[str, ...]
    bases: tuple[Base, ...] = ()
    variables: dict[str, Any] = {}
    items: tuple[Placed, ...] = ()
    notes: tuple[Note, ...] = ()
    removed: tuple[Removed, ...] = ()
    unneeded: tuple[str, ...] = ()


def make_draft(
    id: str, found: Mapping[str, Sequence[Finding]], roles: Mapping[str, Collection[str]]
) -> Draft:
    """The draft of what was found, by target; `roles` are those of each of these targets."""
    targets = tuple(found)
    notes = [
        Note(each.area, f"{target}: {each.text}" if len(found) > 1 else each.text)
        for target, findings in found.items()
        for each in findings
        if isinstance(each, Note)
    ]
    if len(found) == 1:
        return _of_one(id, targets, next(iter(found.values())), notes)
    placing = _Placing(found, roles)
    return Draft(
        id,
        targets,
        bases=tuple(placing.bases()),
        items=tuple(placing.items()),
        notes=tuple(_same_once([*notes, *placing.notes])),
    )


def _of_one(id: str, targets: Roles, findings: Sequence[Finding], notes: Sequence[Note]) -> Draft:
    """A machine by itself: everything has its place, and what is its own alone becomes a variable."""
    items, variables = [], dict[str, Any]()
    ids: set[str] = set()
    for each in findings:
        if not isinstance(each, Entry):
            continue
        renamed = _own_variables(each, variables)
        entry = msgspec.structs.replace(renamed, id=_own_id(renamed.id, ids))
        items.append(Placed(entry))
    bases = [Base(each.profile, each.why) for each in findings if isinstance(each, Extension)]
    return Draft(id, targets, tuple(bases), variables, tuple(items), tuple(notes))


def _own_variables(entry: Entry, variables: dict[str, Any]) -> Entry:
    """The entry with its variables among all; one whose name stands for another value gets a number."""
    for name, value in entry.variables.items():
        own, number = name, 1
        while variables.setdefault(own, value) != value:
            number += 1
            own = f"{name}_{number}"
        if own != name:
            parameters = {
                key: type(given)(given.replace(f"${{{name}}}", f"${{{own}}}"))
                if isinstance(given, str)
                else given
                for key, given in entry.parameters.items()
            }
            entry = msgspec.structs.replace(entry, parameters=parameters)
    return entry


def _own_id(id: str, taken: set[str]) -> str:
    own, number = id, 1
    while own in taken:
        number += 1
        own = f"{id}-{number}"
    taken.add(own)
    return own


class _Placing:
    """What was found at several targets, put where it holds."""

    def __init__(self, found: Mapping[str, Sequence[Finding]], roles: Mapping[str, Collection[str]]) -> None:
        self.found, self.roles = found, roles
        self.notes: list[Note] = []

    def bases(self) -> list[Base]:
        """The role profiles, each for the roles of which all targets run its product."""
        by_profile: dict[str, dict[str, str]] = {}
        for target, findings in self.found.items():
            for each in findings:
                if isinstance(each, Extension):
                    by_profile.setdefault(each.profile, {})[target] = each.why
        bases = []
        for profile, reasons in by_profile.items():
            places = self._places(reasons)
            if places is None:
                text = (
                    f"extends {profile} would fit {', '.join(reasons)}; give what runs it a role of its own"
                )
                self.notes.append(Note("products", text))
            else:
                bases.append(Base(profile, "; ".join(dict.fromkeys(reasons.values())), places))
        return bases

    def items(self) -> list[Placed]:
        by_id: dict[str, dict[str, Entry]] = {}
        for target, findings in self.found.items():
            ids: set[str] = set()
            for each in findings:
                if isinstance(each, Entry):
                    for one in _apart(each):
                        by_id.setdefault(_own_id(one.id, ids), {})[target] = one
        placed = []
        for id, entries in by_id.items():
            placed += self._placed(id, entries)
        return _together(placed)

    def _placed(self, id: str, entries: Mapping[str, Entry]) -> list[Placed]:
        """The thing as one item, or one for each role where it differs between them."""
        apart = self._by_role(id, entries)
        if apart:
            return apart
        whole = merged(entries)
        places = self._places(entries)
        if whole is not None and places is not None:
            return [Placed(msgspec.structs.replace(whole, id=id), places)]
        made: list[Placed] = []
        left = dict(entries)
        for role in sorted({role for roles in self.roles.values() for role in roles}):
            members = [target for target, roles in self.roles.items() if role in roles]
            part = merged({target: entries[target] for target in members}) if {*members} <= {*left} else None
            if part is not None:
                made.append(Placed(msgspec.structs.replace(part, id=f"{id}.{role}"), (role,)))
                for target in members:
                    del left[target]
        for target, entry in left.items():
            text = f"no role stands for {target} alone: {entry.why}; {entry.check} {scalar(entry.parameters)}"
            self.notes.append(Note(entry.area, text))
        return made

    def _by_role(self, id: str, entries: Mapping[str, Entry]) -> list[Placed]:
        """One item for each way the thing is, where each is that of some roles; else none."""
        ways: list[dict[str, Entry]] = []
        for target, entry in entries.items():
            own = inlined(entry)
            way = next((each for each in ways if _alike(own, inlined(next(iter(each.values()))))), None)
            if way is None:
                ways.append({target: entry})
            else:
                way[target] = entry
        placed = []
        for way in ways if len(ways) > 1 else ():
            whole, roles = merged(way), self._places(way)
            if whole is None or not roles:
                return []
            placed.append(Placed(msgspec.structs.replace(whole, id=f"{id}.{'-'.join(roles)}"), roles))
        return placed

    def _places(self, targets: Collection[str]) -> Roles | None:
        """The roles that stand for exactly these targets; none for all; None where there are no such."""
        if {*self.roles} <= {*targets}:
            return ()
        fitting = [
            role
            for role in dict.fromkeys(role for target in targets for role in self.roles.get(target, ()))
            if all(target in targets for target, roles in self.roles.items() if role in roles)
        ]
        covered = {target for target in targets if {*fitting} & {*self.roles.get(target, ())}}
        return _fewest(fitting, targets, self.roles) if covered == {*targets} else None


def _alike(one: Entry, other: Entry) -> bool:
    return (one.check, one.parameters) == (other.check, other.parameters)


def _fewest(roles: Sequence[str], targets: Collection[str], of: Mapping[str, Collection[str]]) -> Roles:
    """Those of the roles that are needed, the widest first."""
    needed: list[str] = []
    open_targets = {*targets}
    while open_targets:
        best = max(roles, key=lambda role: len([each for each in open_targets if role in of[each]]))
        needed.append(best)
        open_targets -= {each for each in open_targets if best in of[each]}
    return tuple(sorted(needed))


def _apart(entry: Entry) -> list[Entry]:
    """An entry whose texts are judged each by itself as one for each, so that each finds its own place."""
    if not entry.listed:
        return [entry]
    return [
        msgspec.structs.replace(
            entry, id=f"{entry.id}/{each}", parameters=entry.parameters | {entry.listed: [each]}
        )
        for each in entry.parameters[entry.listed]
    ]


def _together(placed: Sequence[Placed]) -> list[Placed]:
    """What `_apart` took apart, one item for each place."""
    joined: dict[tuple[str, Roles], Placed] = {}
    for each in placed:
        id, slash, _ = each.entry.id.partition("/")
        key = (id if slash else each.entry.id, each.roles)
        before = joined.get(key)
        if before is None:
            name = f"{id}.{'-'.join(each.roles)}" if slash and each.roles else id if slash else each.entry.id
            entry = msgspec.structs.replace(each.entry, id=name)
        else:
            listed = before.entry.listed
            names = [*before.entry.parameters[listed], *each.entry.parameters[listed]]
            parameters = before.entry.parameters | {listed: sorted(names)}
            entry = msgspec.structs.replace(before.entry, parameters=parameters)
        joined[key] = Placed(entry, each.roles)
    return list(joined.values())


def _same_once(notes: Sequence[Note]) -> list[Note]:
    return list(dict.fromkeys(notes))
