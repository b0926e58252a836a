"""``report.html``: one file without scripts or external references, readable on a phone, on paper and in the dark.

A report is a title block and a list of sections, and a section a list of blocks of HTML. The templates have the
page and each block, and Jinja escapes all text from data.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from larder_training.reporting import plots, terms, values
from larder_training.reporting.title import TitleBlock
from larder_training.reporting.values import Estimate, Numeral

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Block = Markup  # HTML, made by the functions below
# Widths in pixels: where the columns of a table need more than a phone has, it becomes a list of rows.
_PHONE: Final = 358
_LETTER: Final = 8.6
_PADDING: Final = 16
_LINE: Final = 18  # letters of a text that has room for a few words a line
_WORD: Final = 24  # letters of a word that is broken


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its blocks."""

    title: str
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, title: str, *blocks: Block) -> "Section":
        """A section of the given blocks, in their order."""
        return cls(title, blocks)


def render(title: TitleBlock, sections: Sequence[Section]) -> str:
    """The whole document."""
    anchored: list[tuple[str, Section]] = []
    for section in sections:
        anchor = terms.slug(section.title)
        count = sum(other.title == section.title for _, other in anchored)
        anchored.append((f"{anchor}-{count + 1}" if count else anchor, section))
    content = Markup("\n").join([terms.linked(title.context), *(block for part in sections for block in part.blocks)])
    page = _environment().get_template("report.html.jinja")
    return page.render(title=title, sections=anchored, terms=terms.used(content))


def paragraph(text: str) -> Block:
    """A paragraph of plain text."""
    return _block("paragraph", text)


def subheading(text: str) -> Block:
    """A heading inside a section."""
    return _block("subheading", text)


def bullets(items: Iterable[str]) -> Block:
    """A list of sentences or names."""
    return _block("bullets", list(items))


def details(summary: str, *blocks: Block) -> Block:
    """Blocks that few readers need, folded below their summary."""
    return _block("details", summary, blocks)


def facts(named: Mapping[str, object]) -> Block:
    """A few headline values, each in a tile below its name."""
    return _block("facts", {name: _cell(value) for name, value in named.items()})


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Block:
    """A table; the first column names the rows. Numbers are aligned by their type, ``None`` is a dash.

    A table that is too wide for a phone becomes a list of rows there.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return paragraph("There are none.")
    columns = list(zip(*cells, strict=True))
    numeric = [
        all(isinstance(cell, Numeral | Estimate) or cell == values.NOTHING for cell in column) for column in columns
    ]
    stacked = len(head) > 2 and sum(map(_width, head, columns)) > _PHONE
    return _block("table", list(zip(head, numeric, strict=True)), cells, stacked)


def properties(document: Mapping[str, object]) -> Block:
    """A table of the values of a JSON object, nested ones by their place: ``matrix: learner``."""
    return table(("Property", "Value"), values.flat(document))


def figure(drawing: "Figure", caption: str) -> Block:
    """A matplotlib figure as inline SVG; see ``plots``."""
    return _block("figure", plots.svg(drawing, caption), caption, plots.is_wide(drawing))


def image_grid(images: Iterable[tuple[bytes, str]]) -> Block:
    """A grid of JPEG images, each above its caption."""
    return _block("images", [(base64.b64encode(jpeg).decode(), caption) for jpeg, caption in images])


def _width(title: str, column: Sequence[str | Estimate]) -> float:
    """Pixels that a column needs: numbers as they are, texts at least their longest word, or a few words a line."""
    longest = max(map(len, title.split()), default=0)
    for cell in column:
        text = str(cell)
        if isinstance(cell, Estimate):
            longest = max(longest, len(cell.interval))
        elif isinstance(cell, Numeral):
            longest = max(longest, len(text))
        else:
            longest = max(longest, min(len(text), _LINE), *(len(word) for word in text.split() if len(word) <= _WORD))
    return longest * _LETTER + _PADDING


def _unbroken(value: object) -> bool:
    """Whether a cell has a word that must be broken to fit a phone, such as a digest or a file name."""
    return isinstance(value, str) and any(len(word) > _WORD for word in value.split())


def _cell(value: object) -> "str | Estimate":
    return value if isinstance(value, Estimate) else values.text(value)


def _block(name: str, *arguments: object) -> Block:
    return Markup(getattr(_environment().get_template("blocks.html.jinja").module, name)(*arguments).strip())  # noqa: S704 - a macro escapes its arguments


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("larder_training.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["linked"] = terms.linked
    environment.globals["nothing"] = values.NOTHING
    environment.tests["unbroken"] = _unbroken
    environment.tests["estimate"] = lambda value: isinstance(value, Estimate)
    return environment
