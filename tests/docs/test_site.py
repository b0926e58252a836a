"""The parts of the site: generated pages, line lengths, decisions, how-to commands, and the hooks of MkDocs."""

import json
import re
import shlex
import sys
from pathlib import Path

import click
import pytest
from click import Command, Group
from tests.paths import ROOT

from larder_local.cli import cli

sys.path.append(str(ROOT / "docs/tools"))
import reference  # a script: no installed package holds it
import site_hooks  # hooks that MkDocs loads by their path

DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
HOW_TO = sorted((ROOT / "docs/how-to").glob("*.md"))
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md"), *ROOT.glob("benchmarks/*/*.md")]


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    written = (ROOT / "docs/reference" / name).read_text()
    assert written == reference.PAGES[name](), "run `make reference`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_has_at_most_100_columns(page: Path) -> None:
    prose = re.sub(r"(?ms)^( *)```.*?^\1```", "", page.read_text())
    lines = [line for line in prose.splitlines() if len(line) > 100 and not line.startswith(("|", "#", "![", "    "))]
    assert not [line for line in lines if " " in line.lstrip("-* ")[:100]]


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_a_date_and_its_reason(page: Path) -> None:
    text = page.read_text()
    assert re.match(r"# \S.*\n\n\d{4}-\d\d-\d\d\n\n\*\*What\.\*\* \S", text)
    assert "\n**Why.** " in text
    title = text.splitlines()[0].removeprefix("# ")
    assert f"[{title}]({page.name})" in (ROOT / "docs/decisions/index.md").read_text()


def test_each_decision_has_a_number_of_its_own() -> None:
    numbers = [int(page.name[:4]) for page in DECISIONS]
    assert numbers == sorted(set(numbers))


def commands() -> list[tuple[Path, list[str]]]:
    """The larder commands of the how-to guides, split into words."""
    lines = [(page, line) for page in HOW_TO for line in re.findall(r"(?m)^\s*larder (.*)$", page.read_text())]
    return [(page, shlex.split(line, comments=True)) for page, line in lines]


@pytest.mark.parametrize(
    ("page", "words"), [*commands()], ids=lambda value: value.stem if isinstance(value, Path) else "-".join(value[:2])
)
def test_click_accepts_a_how_to_command(
    page: Path, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checks options, choices, numbers and arguments; the files that a command reads exist."""
    del page
    monkeypatch.chdir(tmp_path)
    for name in ("images", "more-images", "other-images", "new-images", "logs", "log"):
        (tmp_path / name).mkdir()
    for name in (".larder/releases/CHAMPION", ".aws-sam/build"):
        (tmp_path / name).mkdir(parents=True)
    for word in words:
        if re.fullmatch(r"[\w/-]+\.(csv|jpg|onnx|png)", word):
            (tmp_path / word).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / word).touch()
    command: Command = cli
    context: click.Context | None = None
    while isinstance(command, Group):
        context = click.Context(command, parent=context)
        subcommand = command.get_command(context, words[0])
        assert subcommand is not None, words
        command, words = subcommand, words[1:]
    command.make_context(command.name, list(words), parent=context)


def test_a_notebook_becomes_a_page() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Images\n", "\n", "Text."]},
        {
            "cell_type": "code",
            "source": ["1 + 1"],
            "outputs": [
                {"output_type": "stream", "text": ["log\n"]},
                {"output_type": "execute_result", "data": {"text/plain": ["2"]}},
                {"output_type": "display_data", "data": {"image/png": "aGk=\n", "text/plain": ["<Figure>"]}},
                {"output_type": "display_data", "data": {"text/html": ["<b>\n", "2</b>"], "text/plain": ["2"]}},
            ],
        },
    ]
    assert site_hooks.from_notebook(json.dumps({"cells": cells})) == (
        "# Images\n\nText.\n\n```python\n1 + 1\n```\n\n```text\nlog\n```\n\n```text\n2\n```\n\n"
        "![output](data:image/png;base64,aGk=)\n\n<div><b>2</b></div>\n"
    )


def test_a_link_out_of_docs_leads_to_its_page() -> None:
    text = "[a](../../benchmarks/serving/README.md#cold) [b](../../examples/otto) [c](cli.md) [d](https://example.com)"
    assert site_hooks.relink(text, "docs/reference/formats.md", "reference/formats.md") == (
        "[a](../benchmarks/serving.md#cold) [b](../examples/otto.md) [c](cli.md) [d](https://example.com)"
    )


def test_a_link_to_a_notebook_leads_to_its_page() -> None:
    assert site_hooks.relink("[a](shop.ipynb)", "docs/tutorials/images.ipynb", "tutorials/images.md") == "[a](shop.md)"
