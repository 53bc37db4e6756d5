"""Reads a page as a strict browser would: every element closed, nothing inline, and the links it holds."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from urllib.parse import parse_qsl

from litestar.testing import TestClient

VOID = frozenset({"meta", "link", "img", "br", "input", "hr"})
URLS = frozenset({"href", "src", "action", "formaction", "data", "poster", "srcset", "xlink:href"})


class Page(HTMLParser):
    """Parsed HTML; `faults` says what a strict reader objects to."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.links: set[str] = set()
        self.urls: set[str] = set()
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.fields_without_label: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self._labels: set[str] = set()
        self._fields: set[str] = set()
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self._open]
        self.faults += [f"id {id} twice" for id in set(self.ids) if self.ids.count(id) > 1]
        self.faults += [f"field {field} has no label" for field in self._fields - self._labels]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if len(values) != len(attrs):
            self.faults.append(f"<{tag}> has an attribute twice")
        if tag in ("script", "style", "iframe", "object", "embed", "base"):
            self.faults.append(f"<{tag}>")
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.faults.append(f"<{tag} {name}>")
            if name in URLS and value is not None:
                self.urls.add(value)
        if tag == "a" and values.get("href"):
            self.links.add(values["href"] or "")
        if tag == "img" and "alt" not in values:
            self.faults.append("<img> without alt")
        if tag == "label":
            self._labels.add(values.get("for") or "")
        if tag == "input" and values.get("type") != "hidden":
            self._fields.add(values.get("id") or "?")
        if tag in ("h1", "h2", "h3"):
            self.headings.append(tag)
        if values.get("id"):
            self.ids.append(values["id"] or "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self.text += data


def crawl(client: TestClient, most: int = 400) -> dict[str, str]:
    """Every page that links lead to from the overview; a few stand for all runs and all filters of a list."""
    waiting, seen, alike = ["/"], {}, Counter[str]()
    while waiting:
        path = waiting.pop(0).partition("#")[0]
        if not path or path in seen or path.startswith(("/api/", "/static/")):
            continue
        bare, _, query = path.partition("?")
        asked = ",".join(sorted(dict(parse_qsl(query))))
        kind = "/runs/" if bare.startswith("/runs/") else f"{bare}?{asked}"
        alike[kind] += 1
        if alike[kind] > 4:
            continue
        answer = client.get(path)
        if answer.status_code == 303:
            continue
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        seen[path] = answer.text
        waiting += sorted(Page(answer.text).links)
        assert len(seen) < most, "the pages never end"
    return seen
