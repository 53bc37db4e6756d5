"""`@check`: a pure function becomes a check that profiles can name.

The built-in ones stand in ``checks/library``; `checks.index` says in which module, and only the modules of
the checks that a profile names are imported. Checks from elsewhere (`checks.authoring.plugins`) are looked
for only where an id is not built-in. What parameters may be is `checks.parameters`' business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from inspect import cleandoc
from typing import Any, Final, Literal, get_args, get_type_hints

import msgspec

from checks.errors import BadInput
from checks.fact import FACTS, Fact, Unavailable
from checks.index import BUILT_IN
from checks.model import Severity, Verdict
from checks.nearest import did_you_mean
from checks.parameters import Parameter, read_parameters

OWNERS: Final = ("vendor", "customer-it", "dba", "network")
"""Who can put it right, which is where the cause of a finding starts from."""

Across = Literal["role", "site"]
Judge = Callable[..., "Verdict | list[Verdict]"]

_ID = re.compile(r"[a-z][a-z0-9]*\.[a-z][a-z0-9_]*")
Refuse = Callable[[Mapping[str, Any]], tuple[str, str] | None]
"""A parameter that makes no sense and why, or None where all do."""

_SECTION = re.compile(r"^(Remedy|Source):[ \t]*", re.MULTILINE)
_known: dict[str, Check] = {}
_origins: dict[str, str] = {}
_declaring: Declaring | None = None


class Declaring:
    """What one origin (a distribution, a file) declares while it is loaded; see `declaring`.

    `refused` are sentences about checks whose id was taken, each naming both who claim it.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.checks: list[Check] = []
        self.refused: list[str] = []


@contextmanager
def declaring(origin: str) -> Iterator[Declaring]:
    """All checks and facts that are declared meanwhile come from `origin`, words such as ``acme-checks 1.2``.

    Where it ends with an exception, nothing that was declared meanwhile stays: half a module is none. Raises
    `ValueError` for a fact whose name is taken, because readings are known by it.
    """
    global _declaring
    outer, before = _declaring, dict(FACTS)
    _declaring = mine = Declaring(origin)
    try:
        yield mine
        for name, made in _foreign(FACTS).items():
            if name in before and made.__module__ != before[name].__module__:
                raise ValueError(f"fact {name} is declared in {before[name].__module__} already")
    except BaseException:
        forget(mine.checks)
        for name in _foreign(FACTS):
            FACTS.pop(name)
        FACTS.update(before)
        raise
    finally:
        _declaring = outer


def _foreign(facts: Mapping[str, type[Fact]]) -> dict[str, type[Fact]]:
    """The facts of plugins; built-in ones that a plugin was the first to import stay as they are."""
    return {name: made for name, made in facts.items() if not made.__module__.startswith("checks.")}


def unusable(made: Check) -> str:
    """Why a check cannot be used (a parameter of a type that none can have), or an empty text."""
    try:
        _ = made.parameters, made.tolerant, made.enumerates
    except (TypeError, NameError, AttributeError) as problem:
        return f"check {made.id}: its parameters cannot be read: {problem}"
    return ""


def forget(checks: list[Check]) -> None:
    """These checks are known no more."""
    for each in checks:
        if _known.get(each.id) is each:
            del _known[each.id]
            _origins.pop(each.id, None)


def origin_of(id: str) -> str:
    """Where a check comes from, as its `declaring` said; empty for a built-in one."""
    return _origins.get(id, "")


class Conditional(msgspec.Struct, frozen=True):
    """A fact that is needed only if the named parameter is given (`wanted`) or is not."""

    fact: Fact
    parameter: str
    wanted: bool


def when(parameter: str, fact: Fact) -> Conditional:
    """The fact, read only where the parameter is given (not empty); the function receives None otherwise."""
    return Conditional(fact, parameter, True)


def unless(parameter: str, fact: Fact) -> Conditional:
    """The fact, read only where the parameter is left empty; the function receives None otherwise."""
    return Conditional(fact, parameter, False)


class Check(msgspec.Struct, frozen=True, dict=True, eq=False):
    """A check as declared. Called, it calls its function: ``free_space(usage=..., mount="/")``.

    `object` is the template of the label of what a result is about; `each` names the parameter that the
    enumerating fact fills when the profile leaves it empty; `refuse` says of parameters what no type can
    tell, before anything is read. Everything read off the function (parameters,
    documentation) is worked out when it is first asked for.
    """

    id: str
    version: int
    severity: Severity
    about: str
    owner: str
    object: str
    each: tuple[str, Fact] | None
    across: Across | None
    facts: dict[str, Fact | Conditional]
    function: Judge
    refuse: Refuse | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Verdict | list[Verdict]:
        return self.function(*args, **kwargs)

    @cached_property
    def hints(self) -> dict[str, Any]:
        return get_type_hints(self.function, include_extras=True)

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """What a profile may set, by name, in the function's order."""
        function = self.function
        defaults = dict(getattr(function, "__kwdefaults__", None) or {})
        positional = _names(function)[: _code(function).co_argcount]
        given = getattr(function, "__defaults__", None) or ()
        defaults |= dict(zip(positional[len(positional) - len(given) :], given, strict=True))
        if self.each is not None:
            defaults.setdefault(self.each[0], "")
        names = [name for name in _names(function) if name not in self.facts and name != "now"]
        return read_parameters(names, self.hints, defaults)

    @cached_property
    def generic(self) -> bool:
        """Whether it says nothing until a profile names its object, so that every item needs an own id."""
        return any(parameter.required for parameter in self.parameters.values())

    @cached_property
    def enumerates(self) -> bool:
        """Whether the function itself finds the objects it judges."""
        hint = self.hints.get("return")
        return any(getattr(part, "__origin__", part) is list for part in (hint, *get_args(hint)))

    @cached_property
    def tolerant(self) -> frozenset[str]:
        """The facts whose failed reading the function wants to see itself."""
        return frozenset(name for name in self.facts if _mentions(self.hints.get(name), Unavailable))

    @cached_property
    def wants_now(self) -> bool:
        return "now" in _names(self.function)

    @cached_property
    def _page(self) -> dict[str, str]:
        text = cleandoc(self.function.__doc__ or "")
        pieces = _SECTION.split(text)
        title, _, doc = pieces[0].partition("\n")
        page = {"title": title.strip().rstrip("."), "doc": doc.strip()}
        return page | {
            name.lower(): _flow(body) for name, body in zip(pieces[1::2], pieces[2::2], strict=True)
        }

    @property
    def title(self) -> str:
        """The first line of the documentation: what is true when the check passes."""
        return self._page["title"]

    @property
    def doc(self) -> str:
        return self._page["doc"]

    @property
    def remedy(self) -> str:
        return self._page.get("remedy", "")

    @property
    def source(self) -> str:
        """Where the defaults come from."""
        return self._page.get("source", "")


def check(
    id: str,
    *,
    severity: Severity,
    about: str,
    owner: str,
    version: int = 1,
    object: str = "",
    each: tuple[str, Fact] | None = None,
    across: Across | None = None,
    refuse: Refuse | None = None,
    **facts: Fact | Conditional,
) -> Callable[[Judge], Check]:
    """Make a pure function a check.

    The function receives each of `facts` by name, the item's parameters, and `now` (aware UTC, the
    snapshot's moment) if it names it. A fact's fields may hold ``{parameter}``; `when` and `unless` make a
    fact depend on a parameter. Where a fact could not be read the result is `error` and the function is not
    called, unless it annotates that fact ``X | Unavailable``. With `across` each fact arrives as a mapping
    of target name to value or `Unavailable`, and the function is not called where no target could be read,
    unless it returns a list, whose objects only it can name. `refuse` receives the item's parameters and
    returns the one that makes no sense with what is wrong about it, or None; the profile is refused then, at
    that parameter. The documentation's first line is the title;
    ``Remedy:`` and ``Source:`` close it. Raises `ValueError` where the declaration itself is wrong.
    """

    def declare(function: Judge) -> Check:
        names = _names(function)
        label = object or (f"{{{about}}}" if about in names and about not in facts else "")
        refuse_bad_declaration(id, names, owner, each, across, facts)
        made = Check(id, version, severity, about, owner, label, each, across, dict(facts), function, refuse)
        return enter(made)

    return declare


def enter(made: Check) -> Check:
    """Make a check known by its id.

    One whose id is taken is not: `ValueError` names both, or the `declaring` that goes on keeps the
    sentence, so that it costs that check and not all of its module.
    """
    source = None if made.function.__module__.startswith("checks.library.") else _declaring
    problem = _claimed(made, source.origin if source else "")
    if not problem:
        _known[made.id] = made
    if source is None:
        if problem:
            raise ValueError(problem)
    elif problem:
        source.refused.append(problem)
    else:
        source.checks.append(made)
        _origins[made.id] = source.origin
    return made


def _claimed(made: Check, origin: str) -> str:
    """Who else has a check's id, as a sentence; empty where nobody has."""
    mine = f"{origin} ({_origin(made.function)})" if origin else _origin(made.function)
    if made.id in BUILT_IN and not made.function.__module__.startswith("checks.library."):
        return (
            f"check {made.id} is built in (checks.library.{BUILT_IN[made.id]}), and cannot come from {mine}"
        )
    other, whose = _known.get(made.id), _origins.get(made.id, "")
    if other is None or (_origin(other.function) == _origin(made.function) and whose == origin):
        return ""
    theirs = f"{whose} ({_origin(other.function)})" if whose else _origin(other.function)
    return f"check {made.id} is declared twice: {theirs}, {mine}"


def get(id: str) -> Check:
    """The check of that id; raises `BadInput` with the nearest right one."""
    found = _known.get(id)
    if found is None and id in BUILT_IN:
        import_module(f"checks.library.{BUILT_IN[id]}")
        found = _known.get(id)
    if found is None:
        from checks.authoring import plugins

        found = plugins.find(id)
    if found is None:
        told = "".join(f"; {problem}" for problem in plugins.problems())
        raise BadInput(f"unknown check {id!r:.100}{did_you_mean(id, {*BUILT_IN, *_known})}{told}")
    return found


def ids() -> list[str]:
    """The ids of all built-in checks, without importing any of them."""
    return list(BUILT_IN)


def foreign() -> list[str]:
    """The ids of the checks from elsewhere that are known so far."""
    return sorted(_origins)


def known() -> Mapping[str, Check]:
    """The checks declared so far, by id: of the built-in ones those whose module was imported."""
    return dict(_known)


def refuse_bad_declaration(
    id: str,
    names: tuple[str, ...],
    owner: str,
    each: tuple[str, Fact] | None,
    across: Across | None,
    facts: Mapping[str, Fact | Conditional],
) -> None:
    """Raise `ValueError` where a declaration does not fit together; `names` are the function's arguments."""
    if not _ID.fullmatch(id):
        raise ValueError(f"check id {id!r} is not of the form area.thing")
    if owner not in OWNERS:
        raise ValueError(f"check {id}: owner {owner!r} is not one of {', '.join(OWNERS)}")
    for name in facts:
        if name not in names:
            raise ValueError(f"check {id}: the function takes no {name!r}, which is declared as a fact")
    if each is not None and (each[0] not in names or across is not None):
        raise ValueError(f"check {id}: `each` names a parameter of a check that is not `across`")
    for fact in facts.values():
        if isinstance(fact, Conditional) and fact.parameter not in names:
            raise ValueError(f"check {id}: a conditional fact depends on an unknown parameter")


def _code(function: Judge) -> Any:
    return function.__code__


def _names(function: Judge) -> tuple[str, ...]:
    """The names of a function's arguments; cheaper than `inspect.signature`, and start-up is measured."""
    code = _code(function)
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return names


def _origin(function: Judge) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _mentions(hint: Any, wanted: object) -> bool:
    return hint is wanted or any(_mentions(part, wanted) for part in get_args(hint))


def _flow(text: str) -> str:
    """Wrapped lines joined to paragraphs; list entries and indented lines stay lines."""
    lines: list[str] = []
    for line in cleandoc(text).splitlines():
        if lines and lines[-1] and line and not line.startswith(("- ", " ", "\t")):
            lines[-1] += " " + line
        else:
            lines.append(line.rstrip())
    return "\n".join(lines).strip()
