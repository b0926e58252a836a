"""The page of formats: its snippets run and agree with the reader, and its tables match the files."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.paths import ROOT

from larder.tables import parse_header

DOCUMENT = ROOT / "docs" / "reference" / "formats.md"


def snippet(number: int, folder: Path) -> Path:
    """The ``number``-th Python snippet of the document, as a script."""
    code = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[number]
    (folder / "snippet.py").write_text(code)
    return folder / "snippet.py"


def test_the_snippet_reads_a_users_table_with_numpy(
    golden: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = snippet(0, tmp_path)
    golden.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    recommended = runpy.run_path(str(script))["recommended"]
    assert capsys.readouterr().out == "[('ü 3', 0.5), ('A-1', 0.25)]\n"
    for user, (items, scores) in golden.USERS.items():
        assert recommended(user) == [(golden.IDS[item], score) for item, score in zip(items, scores, strict=True)]
    assert recommended("unknown") is None


def test_the_snippet_writes_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(snippet(1, tmp_path)))
    assert capsys.readouterr().out == "Row(items=(4, 2), scores=(1.0, 0.5)) None\n"


def test_every_tensor_is_documented_with_its_dtype(golden: SimpleNamespace) -> None:
    text = DOCUMENT.read_text()
    for path in golden.folder.iterdir():
        data = path.read_bytes()
        header = parse_header(data, len(data))
        assert f'`table` = `"{header.metadata["table"]}"`' in text
        for name, tensor in header.tensors.items():
            documented = re.sub(r"column\.[A-Z]+", "column.C", name)
            if path.name == "probes.safetensors":
                assert f"`{documented.partition('.')[0]}`" in text
            else:
                assert re.search(rf"\| .*`{re.escape(documented)}`.* \| .*{tensor.dtype}.* \|", text), name
