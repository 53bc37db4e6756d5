"""XML, read by expat with everything refused that a file could use against its reader.

No entity is expanded that the file defines, nothing outside of it is fetched; depth and number of elements
are bounded.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from checks.fact import NotReadable
from checks.facts.formats.found import MISSING, all_or_one, wants_all

MAX_DEPTH: Final = 100
MAX_ELEMENTS: Final = 200_000

_STEP: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_SPLIT: Final = re.compile(r"/(?![^\[]*\])")
_CHOICE: Final = re.compile(r"(@?)([^=\[\]]+)=\s*(.*)", re.DOTALL)


class Element(msgspec.Struct):
    """An element: its name and attributes without their prefixes, its own text, and what is in it."""

    name: str
    attributes: dict[str, str]
    texts: list[str] = msgspec.field(default_factory=list)
    children: list[Element] = msgspec.field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.texts).strip()


def look_up_xml(text: str, key: str, path: str) -> Any:
    """The text of an element, or an attribute: ``Server/Service/Connector[2]/@port``.

    The path begins with the root's name. ``[n]`` chooses among several, from 1, ``[@name=value]`` and
    ``[child=value]`` by what they hold. What several elements have is a list.
    """
    key, everything = wants_all(key)
    steps = [step for step in _SPLIT.split(key.strip("/")) if step]
    attribute = steps.pop()[1:] if steps and steps[-1].startswith("@") else ""
    found = [Element("", {}, children=[_parse(text, path)])]
    for step in steps:
        form = _STEP.fullmatch(step)
        if form is None:
            raise NotReadable(f"{key} in {path}: {step!r:.80} is not a step like Connector[2]", "unsupported")
        found = [each for at in found for each in _chosen(at.children, form[1], form[2], path)]
    if attribute:
        values = [each.attributes[attribute] for each in found if attribute in each.attributes]
    else:
        if any(each.children for each in found):
            raise NotReadable(f"{key} in {path} is a section, not a value", "unsupported")
        values = [each.text for each in found] if steps else []
    return all_or_one(values, everything) if values else MISSING


def _chosen(children: list[Element], name: str, choices: str, path: str) -> list[Element]:
    found = [each for each in children if name in (each.name, "*")]
    for choice in re.findall(r"\[([^\[\]]*)\]", choices):
        if choice.isdecimal():
            number = int(choice[:9])
            found = found[number - 1 : number] if number else []
            continue
        form = _CHOICE.fullmatch(choice)
        if form is None:
            raise NotReadable(
                f"[{choice:.80}] chooses nothing in {path}; write [2] or [@name=value]", "unsupported"
            )
        wanted = form[3].strip().strip("'\"")
        if form[1]:
            found = [each for each in found if each.attributes.get(form[2]) == wanted]
        else:
            found = [
                each
                for each in found
                if any(child.name == form[2] and child.text == wanted for child in each.children)
            ]
    return found


def _parse(text: str, path: str) -> Element:
    from xml.parsers import expat

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    root: list[Element] = []
    open_elements: list[Element] = []
    count = 0

    def refuse(what: str) -> NotReadable:
        return NotReadable(f"{path}:{parser.CurrentLineNumber}: {what}", "parse")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MAX_ELEMENTS:
            raise refuse(f"more than {MAX_ELEMENTS} elements")
        if len(open_elements) >= MAX_DEPTH:
            raise refuse(f"nested more than {MAX_DEPTH} deep")
        given = {_local(each): value for each, value in attributes.items()} | attributes
        element = Element(_local(name), given)
        (open_elements[-1].children if open_elements else root).append(element)
        open_elements.append(element)

    def end(name: str) -> None:
        del name
        open_elements.pop()

    def data(piece: str) -> None:
        if open_elements:
            open_elements[-1].texts.append(piece)

    def doctype(name: str, system: str | None, public: str | None, internal: int) -> None:
        del name, system, public
        if internal:
            raise refuse("it defines entities or elements of its own (DOCTYPE), which is not read")

    def entity(*_: object) -> None:
        raise refuse("it defines an entity, which is not read")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = entity
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as problem:
        raise NotReadable(f"{path}:{problem.lineno}: {expat.ErrorString(problem.code)}", "parse") from None
    return root[0]


def _local(name: str) -> str:
    return name.rpartition(":")[2]
