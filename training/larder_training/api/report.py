"""An HTML report that shows itself in a notebook."""

import webbrowser
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import NamedTemporaryFile

_HEIGHT = 600  # CSS pixels of the frame in a notebook; the report scrolls inside


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a training or an audit: one HTML document without scripts and external references.

    A notebook shows it if it is the last value of a cell.

    Attributes:
        html: The document.
    """

    html: str

    def save(self, path: Path | str) -> Path:
        """Writes the document to a file and returns its path."""
        target = Path(path)
        target.write_text(self.html, encoding="utf-8")
        return target

    def open(self) -> None:
        """Opens the document in the default web browser."""
        with NamedTemporaryFile("w", suffix=".html", encoding="utf-8", delete=False) as file:
            file.write(self.html)
        webbrowser.open(Path(file.name).as_uri())

    def __repr__(self) -> str:
        return f"Report of {len(self.html):,} characters: save(path) writes it, open() shows it in the browser"

    def _repr_html_(self) -> str:
        # In a frame, so that the styles of the document do not apply to the notebook.
        return f'<iframe srcdoc="{escape(self.html)}" style="width:100%;height:{_HEIGHT}px;border:0"></iframe>'
