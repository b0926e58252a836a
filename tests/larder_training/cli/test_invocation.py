"""The command line that reports state."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from larder_training.cli.invocation import command_line


@click.command("train")
@click.option("--model", required=True)
@click.option("--trials", type=int, default=24)
@click.option("--items", multiple=True)
@click.option("--hidden/--no-hidden", default=True)
@click.option("--quiet", is_flag=True)
@click.argument("data", type=click.Path(path_type=Path))
def train(**_: object) -> None:
    click.echo(command_line())


@pytest.mark.parametrize(
    ("given", "stated"),
    [
        (["images", "--model", "pets"], "train images --model pets"),
        (["--model=pets", "my images", "--no-hidden", "--quiet"], "train 'my images' --model pets --no-hidden --quiet"),
        (["x", "--items", "a", "--model", "m", "--items", "b"], "train x --model m --items a --items b"),
        (["$HOME; ls", "--model", "m", "--trials", "24"], "train '$HOME; ls' --model m --trials 24"),
    ],
)
def test_the_command_is_what_was_given(given: list[str], stated: str) -> None:
    result = CliRunner().invoke(train, given)
    assert result.output == f"{stated}\n"


def test_the_home_folder_is_not_named() -> None:
    result = CliRunner().invoke(train, [f"{Path.home()}/my images", "--model", "m"])
    assert result.output == "train ~/'my images' --model m\n"
