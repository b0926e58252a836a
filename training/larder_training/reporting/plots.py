"""Plots as inline SVG that both a light and a dark page show: transparent, with the text's colour of the page."""

import io
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK: Final = "#010203"  # becomes the colour of the text around the plot
# Each has a contrast of at least 3:1 on white and on the dark page.
COLOURS: Final = ("#2f81f7", "#d1720c", "#1f9d55", "#a371f7", "#d6458b", "#7d8590")
WIDTH: Final = 4.8  # inches; scaled to a phone, its letters are still readable
_WIDE: Final = 6.0  # inches from which a plot scrolls inside its box on a phone
_NO_METADATA: Final = {"Date": None, "Creator": None, "Format": None, "Type": None}
_REFERENCE: Final = re.compile(r'(?:url\(#|href="#)([^)"]+)')
_ID: Final = re.compile(r'\sid="([^"]+)"')


def drawing_of(width: float = WIDTH, height: float = 3.0) -> "tuple[Figure, Axes]":
    """An empty drawing, its size in inches, with one pair of axes and no frame on top and to the right."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height))
    axes = drawing.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_prop_cycle(color=COLOURS)
    return drawing, axes


def legend_above(axes: "Axes", columns: int = 2) -> None:
    """The legend above the axes, where it hides nothing."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=columns, frameon=False, borderaxespad=0)


def svg(drawing: "Figure", caption: str) -> Markup:
    """The drawing as SVG: no date, no random identifiers, and ids that no other drawing of the page has."""
    import matplotlib as mpl

    _ink(drawing)
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "larder", "svg.fonttype": "path"}):
        drawing.savefig(buffer, format="svg", metadata=_NO_METADATA, bbox_inches="tight", transparent=True)
    drawn = buffer.getvalue()
    attributes, content = drawn[drawn.index("<svg") + len("<svg") :].split(">", 1)
    content = _own_ids(content.replace(INK, "currentColor"), sha256(caption.encode()).hexdigest()[:8])
    svg = f'<svg role="img"{attributes}><title>{escape(caption)}</title>{content}'
    return Markup(svg)  # noqa: S704 - matplotlib wrote it; the caption is escaped


def _own_ids(content: str, drawing: str) -> str:
    """Prefixes the ids that something refers to, and drops the others."""
    needed = set(_REFERENCE.findall(content))
    content = _ID.sub(lambda found: f' id="{drawing}-{found[1]}"' if found[1] in needed else "", content)
    return _REFERENCE.sub(lambda found: found.group().replace(f"#{found[1]}", f"#{drawing}-{found[1]}"), content)


def is_wide(drawing: "Figure") -> bool:
    """Whether letters would be too small to read on a phone if the whole drawing were to fit."""
    return bool(drawing.get_figwidth() > _WIDE)


def _ink(drawing: "Figure") -> None:
    from matplotlib.text import Text

    for label in drawing.findobj(Text):
        label.set_color(INK)
    for axes in drawing.axes:
        axes.tick_params(which="both", color=INK)
        for spine in axes.spines.values():
            spine.set_edgecolor(INK)
