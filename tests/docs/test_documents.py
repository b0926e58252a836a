"""Files, make targets, commands and options that the documents mention exist."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from click import Command, Group
from click.testing import CliRunner
from tests.paths import ROOT

from larder_local.cli import cli

FOLDERS = ("docs", "examples", "benchmarks")
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.ipynb"),
        *(page for name in FOLDERS for page in ROOT.glob(f"{name}/**/*.md")),
    ]
)


def read(page: Path) -> str:
    text = page.read_text()
    if page.suffix == ".ipynb":
        return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    return text


def texts(pattern: str) -> list[tuple[Path, str]]:
    return [(page, match) for page in DOCUMENTS for match in re.findall(pattern, read(page))]


@pytest.mark.parametrize(
    ("page", "link"), texts(r"\]\(([^)#\[\]]+)"), ids=lambda value: str(value).removeprefix(f"{ROOT}/")
)
def test_the_target_of_a_link_exists(page: Path, link: str) -> None:
    assert link.startswith("https://") or (page.parent / link).exists()


CURRENT = [page for page in DOCUMENTS if page.name != "CHANGELOG.md"]  # which also names what is gone
FOLDER = r"(?:benchmarks|tests|scripts|layers|functions|training|local|client|docs|examples)"


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_folders_in_a_text_exist(page: Path) -> None:
    text = read(page)
    files = re.findall(rf"(?<![\w/.]){FOLDER}/[\w/.-]+\.(?:py|md|toml|yaml|json|svg)\b", text)
    folders = re.findall(rf"`({FOLDER}/[\w/-]+)`", text)
    assert [path for path in (*files, *folders) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_and_their_names_in_a_text_exist(page: Path) -> None:
    names = re.findall(r"`((?:larder|larder_training|larder_local|larder_client)(?:\.\w+)+)`", read(page))
    assert [name for name in names if not exists(name)] == []


def exists(name: str) -> bool:
    """Whether ``name`` is a module, or an attribute of one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value: object = import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[count:]:
            value = getattr(value, attribute, None)
        return value is not None
    return False


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for _, target in texts(r"(?:^|`|\s)make ([a-z]+)\b(?=`|\s+#|\s{2,}|$)")}
    assert named <= targets


def commands(command: Command, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Command]:
    commands_by_path = {path: command}
    if isinstance(command, Group):
        context = command.make_context("larder", [], resilient_parsing=True)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            commands_by_path |= commands(child, (*path, name))
    return commands_by_path


COMMANDS = commands(cli)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert result.exit_code == 0
    assert COMMANDS[path].help or not path


@pytest.mark.parametrize("path", [path for path in COMMANDS if path], ids=" ".join)
def test_every_command_is_described_in_a_document(path: tuple[str, ...]) -> None:
    assert any(re.search(rf"larder {' '.join(path)}\b", read(page)) for page in DOCUMENTS)


def test_documents_name_real_commands_and_options() -> None:
    for page, line in texts(r"(?m)^\s*(?:\.venv/bin/)?(larder [a-z][^\n]*)$"):
        words = line.split("#")[0].split()[1:]
        depth = next((n for n in (2, 1) if tuple(words[:n]) in COMMANDS), 0)
        assert depth, f"{page.name}: unknown command: {line}"
        known = {option for parameter in COMMANDS[tuple(words[:depth])].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, f"{page.name}: {line}"
