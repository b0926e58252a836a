"""What every report must be: one HTML page that everyone can read, without a trace of Python in it."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

_VOID = {"meta", "img", "br", "path", "use", "image"}
_PYTHON = re.compile(r"\bNone\b|\bnan\b|\bTrue\b|\bFalse\b|\{'|\['|\('\w+',|np\.|\d\.\d*[1-9]\d{3,}")


@dataclass
class Page(HTMLParser):
    """The parsed page.

    Attributes:
        tags: Each start tag with its attributes, in their order.
        texts: The texts outside of style and SVG.
    """

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"{tag} is closed before an element inside it"

    def handle_data(self, data: str) -> None:
        if "style" not in self._open and ("svg" not in self._open or "title" in self._open):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each element of this name."""
        return [attributes for name, attributes in self.tags if name == tag]


def parse(html: str) -> Page:
    """The page of a report."""
    page = Page()
    page.feed(html)
    page.close()
    return page


def check_page(html: str) -> Page:
    """Asserts what holds for every report, and returns the page."""
    page = parse(html)
    assert html.startswith("<!doctype html>")
    assert page.all("html") == [{"lang": "en"}]
    assert "script" not in {tag for tag, _ in page.tags}
    policies = [meta["content"] for meta in page.all("meta") if "Content-Security-Policy" in meta.values()]
    assert [policy.startswith("default-src 'none'") for policy in policies] == [True]
    # GIVEN the ids THEN each occurs once, and each link leads to one
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert sorted(ids) == sorted(set(ids))
    targets = [link["href"] for link in page.all("a")]
    assert all(target.startswith("#") and target[1:] in ids for target in targets)
    references = [value for _, attributes in page.tags for name, value in attributes.items() if name in {"src", "href"}]
    assert all(reference.startswith(("#", "data:image/")) for reference in references)
    # AND the headings have one top and leave no level out
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(deeper <= level + 1 for level, deeper in pairwise(levels))
    # AND each table, image and plot says what it shows
    assert all(cell.get("scope") in {"col", "row"} for cell in page.all("th"))
    assert all(image.get("alt") for image in page.all("img"))
    assert len(page.all("svg")) <= len(page.all("figure")) == len(page.all("figcaption"))
    assert all(plot.get("role") == "img" for plot in page.all("svg"))
    # AND a person wrote the texts
    traces = [text for text in page.texts if _PYTHON.search(text)]
    assert traces == []
    return page
