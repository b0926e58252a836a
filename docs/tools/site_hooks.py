"""MkDocs hooks: the parts of the site that are not Markdown files of docs/.

* Each notebook of ``docs/tutorials`` becomes a page, with its saved outputs.
* The decisions are added to the navigation, newest first.
* The pages outside ``docs/`` (ARCHITECTURE.md, the READMEs of examples and benchmarks ...) become pages too. Links to
  them are rewritten: in the repository they are paths of files, on the site paths of pages.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[2]
LINK: Final = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s\[\]]+)(#[^)\s]*)?\)")
Cell: TypeAlias = dict[str, Any]

_PROJECT: Final = {
    "README.md": "project/readme.md",
    "ARCHITECTURE.md": "project/architecture.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changelog.md",
}


def outside() -> dict[str, str]:
    """The pages outside docs/: path in the repository to path on the site."""
    readmes = sorted([*ROOT.glob("benchmarks/*/README.md"), *ROOT.glob("examples/*/README.md")])
    folders = [path.parent.relative_to(ROOT).as_posix() for path in readmes]
    return _PROJECT | {f"{folder}/README.md": f"{folder}.md" for folder in folders}


def notebooks() -> list[Path]:
    """The tutorials, by name."""
    return sorted((ROOT / "docs/tutorials").glob("*.ipynb"))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the pages that mkdocs.yml does not list to the navigation."""
    nav: list[Any] = list(config.nav or [])
    _section(nav, "Tutorials").extend(f"tutorials/{path.stem}.md" for path in notebooks())
    decisions = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"), reverse=True)
    _section(nav, "Decisions").extend(f"decisions/{path.name}" for path in decisions)
    pages = outside()
    for title, folder in (("Examples", "examples/"), ("Benchmarks", "benchmarks/"), ("Project", "project/")):
        nav.append({title: [page for page in pages.values() if page.startswith(folder)]})
    config.nav = nav
    return config


def _section(nav: list[Any], title: str) -> list[Any]:
    pages: list[Any] = next(entry[title] for entry in nav if isinstance(entry, dict) and title in entry)
    return pages


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the pages that are not Markdown files of docs/."""
    for path in notebooks():
        notebook = files.get_file_from_path(f"tutorials/{path.name}")
        if notebook is not None:
            files.remove(notebook)
        source, page = f"docs/tutorials/{path.name}", f"tutorials/{path.stem}.md"
        text = from_notebook(path.read_text(encoding="utf-8"))
        files.append(File.generated(config, page, content=relink(text, source, page)))
    for source, page in outside().items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=relink(text, source, page)))
        for asset in _assets(text, source):
            _add_asset(files, config, asset)
    for file in list(files.documentation_pages()):
        if not file.generated_by:
            source = f"docs/{file.src_uri}"
            for asset in _assets((ROOT / source).read_text(encoding="utf-8"), source):
                _add_asset(files, config, asset)
    return files


def _add_asset(files: Files, config: MkDocsConfig, asset: str) -> None:
    if files.get_file_from_path(asset) is None:
        files.append(File.generated(config, asset, abs_src_path=str(ROOT / asset)))


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrites the links to files outside docs/."""
    del config, files
    if page.file.generated_by:
        return markdown
    return relink(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)


def relink(text: str, source: str, page: str) -> str:
    """The text of ``source``, a path in the repository, with the links of ``page``, a path on the site."""

    def replace(match: re.Match[str]) -> str:
        target = _on_site(_resolve(match[1], source))
        return f"]({posixpath.relpath(target, posixpath.dirname(page) or '.')}{match[2] or ''})"

    return LINK.sub(replace, text)


def _assets(text: str, source: str) -> Iterator[str]:
    """The files outside docs/ that ``source`` links to and that are not pages."""
    for match in LINK.finditer(text):
        path = _resolve(match[1], source)
        if not path.startswith("docs/") and path not in outside():
            yield path


def _resolve(link: str, source: str) -> str:
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    return f"{path}/README.md" if (ROOT / path).is_dir() else path


def _on_site(path: str) -> str:
    if path.startswith("docs/"):
        return path.removeprefix("docs/").replace(".ipynb", ".md")
    return outside().get(path, path)


def from_notebook(text: str) -> str:
    """A notebook as Markdown: text, code and saved outputs."""
    return "\n\n".join(part for cell in json.loads(text)["cells"] for part in _cell(cell)) + "\n"


def _cell(cell: Cell) -> Iterator[str]:
    source = _joined(cell["source"]).strip("\n")
    if cell["cell_type"] == "markdown":
        yield source
    elif cell["cell_type"] == "code" and source:
        yield f"```python\n{source}\n```"
        for output in cell["outputs"]:
            yield from _output(output)


def _output(output: Cell) -> Iterator[str]:
    """The best form of an output that a page can show: an image, else HTML, else text."""
    data = output.get("data", {})
    if output["output_type"] == "stream":
        yield f"```text\n{_joined(output['text']).rstrip()}\n```"
    elif "image/png" in data:
        yield f"![output](data:image/png;base64,{_joined(data['image/png']).strip()})"
    elif "text/html" in data:
        yield f"<div>{''.join(_joined(data['text/html']).splitlines())}</div>"
    elif "text/plain" in data:
        yield f"```text\n{_joined(data['text/plain']).rstrip()}\n```"


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
