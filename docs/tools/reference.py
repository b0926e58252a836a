"""Writes the generated pages of docs/reference: `make reference`. A test fails if a page is not current.

========================  ==========================================================
``cli.md``                the help of the commands (click)
``http-operations.md``    ``openapi.json`` of the serving layer
``configuration.md``      ``template.yaml`` and the docstring of the settings module
``hyperparameters.md``    the schemas of hyperparameters in the serving layer
``python-api.md``         the docstrings of the public names (griffe)
========================  ==========================================================
"""

from collections.abc import Callable
from typing import Final

from reference_pages import command_line, configuration, http_operations, hyperparameters, python_api
from reference_pages.markdown import ROOT

PAGES: Final[dict[str, Callable[[], str]]] = {
    "cli.md": command_line.render,
    "http-operations.md": http_operations.render,
    "configuration.md": configuration.render,
    "hyperparameters.md": hyperparameters.render,
    "python-api.md": python_api.render,
}


def main() -> None:
    """Writes every generated page."""
    for name, render in PAGES.items():
        (ROOT / "docs/reference" / name).write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
