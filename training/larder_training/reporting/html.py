"""``report.html``: one file without scripts or external references, readable on a phone, reproducible byte for byte.

A report is a list of sections, and a section a list of blocks of HTML. All text from data is escaped.
"""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Block = str  # HTML, made by the functions below

_STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;background:Canvas;color:CanvasText}
h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.2rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}
table{border-collapse:collapse;display:block;overflow-x:auto;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{white-space:normal;vertical-align:bottom}
td:first-child{white-space:normal;overflow-wrap:anywhere;min-width:4.5rem}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.5rem}
dl div{background:var(--soft);border-radius:.4rem;padding:.5rem .7rem}dt{font-size:.8rem;opacity:.75}
dd{margin:0;font-size:1.15rem;overflow-wrap:anywhere}
figure{margin:1rem 0}figure svg{max-width:100%;height:auto;background:#fff;border-radius:.4rem}
figcaption{font-size:.85rem;opacity:.8}
.images{display:grid;grid-template-columns:repeat(auto-fill,minmax(8rem,1fr));gap:.6rem}
.images figure{margin:0}.images img{width:100%;height:8rem;object-fit:contain;background:var(--soft)}
.images figcaption{overflow-wrap:anywhere}
@media(max-width:36rem){table{font-size:.8rem}th,td{padding:.25rem}dd{font-size:1rem}}
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its blocks."""

    title: str
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, title: str, *blocks: Block) -> "Section":
        """A section of the given blocks, in their order."""
        return cls(title, blocks)


def render(title: str, sections: Sequence[Section]) -> str:
    """The whole document."""
    body = "\n".join(f"<h2>{escape(section.title)}</h2>\n" + "\n".join(section.blocks) for section in sections)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">{_title(title)}'
    page = f"<head>{head}</head>\n<body><h1>{escape(title)}</h1>\n{body}\n</body>"
    return f'<!doctype html>\n<html lang="en">{page}</html>\n'


def _title(title: str) -> str:
    return f"<title>{escape(title)}</title><style>{_STYLE}</style>"


def paragraph(text: str) -> Block:
    """A paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def facts(named: Mapping[str, object]) -> Block:
    """A few headline values, each in a tile below its name."""
    tiles = (f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in named.items())
    return f"<dl>{''.join(tiles)}</dl>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Block:
    """A table; the first column is text, the others are numbers."""
    titles = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows)
    return f"<table><tr>{titles}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def drawing_of(width: float, height: float) -> "tuple[Figure, Axes]":
    """An empty drawing, its size in inches, with one pair of axes and no frame on top and to the right."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height))
    axes = drawing.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return drawing, axes


def figure(drawing: "Figure", caption: str) -> Block:
    """A matplotlib figure as inline SVG, without a date and without random identifiers."""
    import matplotlib as mpl

    buffer = io.StringIO()
    # The salt makes the element ids reproducible; the caption makes them differ between drawings.
    with mpl.rc_context({"svg.hashsalt": caption, "svg.fonttype": "path"}):
        drawing.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    svg = buffer.getvalue()
    return f"<figure>{svg[svg.index('<svg') :]}<figcaption>{escape(caption)}</figcaption></figure>"


def image_grid(images: Iterable[tuple[bytes, str]]) -> Block:
    """A grid of JPEG images, each above its caption."""
    tiles = (
        f'<figure><img alt="{escape(caption)}" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for jpeg, caption in images
    )
    return f'<div class="images">{"".join(tiles)}</div>'
