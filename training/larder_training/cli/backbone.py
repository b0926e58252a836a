"""The commands ``larder backbone add`` and ``larder backbone rm``."""

from pathlib import Path
from typing import Any

import click

from larder.errors import LarderError
from larder_training.cli.image_options import preprocessing_options, to_preprocessing


@click.group("backbone")
def command() -> None:
    """Register a backbone of your own under a name, or remove it."""


@command.command("add")
@click.argument("what", metavar="FILE|timm:NAME|torchvision:NAME")
@click.option("--name", help="Name for --backbone: a-z, 0-9, '.', '_', '-' [default: the file's or the network's].")
@click.option(
    "--pretrained/--no-pretrained",
    default=True,
    show_default=True,
    help="Whether timm or torchvision load pretrained weights, which they may download; else they are random.",
)
@preprocessing_options
def add(what: str, *, name: str | None, pretrained: bool, backbone_spec: Path | None, **flags: Any) -> None:  # noqa: ANN401 - click hands over what it parsed
    """Register an ONNX file, or a network of timm or torchvision, as a backbone.

    A network of timm (timm:NAME) or torchvision (torchvision:NAME or torchvision:NAME:WEIGHTS) is exported to ONNX,
    with the preprocessing that the library states; both need PyTorch, which Larder does not. The preprocessing of a
    file comes from the options or from FILE.json.
    """
    from larder_training.classifier.config.preprocessing import read_spec
    from larder_training.classifier.features.registration import add_backbone

    try:
        stated = to_preprocessing(flags)
        if backbone_spec is not None:
            stated = stated.over(read_spec(backbone_spec))
        added, assumed = add_backbone(what, name, stated, pretrained=pretrained)
    except LarderError as error:
        raise click.ClickException(str(error)) from error
    for assumption in assumed:
        click.echo(f"Not stated, assumed: {assumption}")
    click.echo(f"Added {added.name}: {added.path.stat().st_size / 1e6:.1f} MB, SHA-256 {added.description['sha256']}")
    click.echo(f"Next: larder train classifier FOLDER --model NAME --backbone {added.name}")


@command.command("rm")
@click.argument("name")
def rm(name: str) -> None:
    """Remove a backbone that `larder backbone add` registered. Releases trained on it keep working."""
    from larder_training.classifier.backbones.registered import remove

    try:
        remove(name)
    except LarderError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Removed {name}.")
