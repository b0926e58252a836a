"""The tutorials run from the first cell to the last; Git holds them without outputs."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from tests.paths import ROOT

TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.ipynb"))


def read(path: Path) -> Any:  # noqa: ANN401  nbformat's notebooks have attributes that no type names
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def text_of(notebook: Any) -> str:  # noqa: ANN401  as above
    """What the cells show as text."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join(output.text if "text" in output else output.data["text/plain"] for output in outputs)


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401  as above
    """Runs a tutorial in an empty folder, with nothing of the home folder."""
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    work = tmp_path / "work"
    work.mkdir()

    def run(name: str) -> tuple[Any, Path]:
        notebook = read(ROOT / "docs/tutorials" / name)
        NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(work)}}).execute()
        return notebook, work

    return run


@pytest.mark.slow
@pytest.mark.timeout(600)  # a busy machine needs minutes
@pytest.mark.filterwarnings("default")  # Jupyter's libraries, not ours
def test_the_tutorial_of_images(execute: Any) -> None:  # noqa: ANN401  as above
    notebook, work = execute("images.ipynb")
    shown = text_of(notebook)
    assert "Label(name='3', confidence=0.9" in shown
    assert "Labels(labels=(), unknown=True)" in shown
    assert "state='promoted'" in shown
    assert (work / ".larder/store/models/digits/live.json").is_file()


@pytest.mark.slow
@pytest.mark.timeout(600)  # a busy machine needs minutes
@pytest.mark.filterwarnings("default")  # Jupyter's libraries, not ours
def test_the_tutorial_of_a_shop(execute: Any) -> None:  # noqa: ANN401  as above
    notebook, work = execute("shop.ipynb")
    shown = text_of(notebook)
    assert shown.count("TITLE") >= 5
    assert "state='promoted'" in shown
    assert (work / ".larder/store/models/shop/live.json").is_file()


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_is_stored_without_outputs(path: Path) -> None:
    for cell in read(path).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_the_text_of_a_tutorial_has_at_most_100_columns(path: Path) -> None:
    lines = [line for cell in read(path).cells for line in cell.source.splitlines()]
    assert [line for line in lines if len(line) > 100] == []
