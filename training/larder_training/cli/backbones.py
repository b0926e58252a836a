"""The command ``larder backbones``: lists the catalogue and the backbones that users registered."""

import json
from typing import Any

import click


@click.command("backbones", short_help="List the backbones that --backbone knows by name.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(*, as_json: bool) -> None:
    """List the backbones that `larder train classifier --backbone NAME` knows.

    MB and ms are those of the int8 graph, ms for an image on one thread; accuracy is top-1 on ImageNet, as published. A
    file is downloaded or built on first use, verified by its SHA-256, and used offline after that. LARDER_BACKBONES
    names a folder or URL to take the files from instead.
    """
    from larder_training.classifier.backbones.listing import describe_all

    rows = describe_all()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(f"{'name':<16} {'MB':>5} {'ms':>5}  {'ImageNet':<9} {'licence':<11} {'state':<14} from")
    for row in rows:
        click.echo(_line(row))
        click.echo(f"  SHA-256 {row['sha256']}{_measured(row)}")
    click.echo("\nUse one: larder train classifier FOLDER --model NAME --backbone lite0 (none: the built-in features)")


def _line(row: dict[str, Any]) -> str:
    size, milliseconds, accuracy = row["megabytes"], row.get("milliseconds"), row.get("accuracy")
    return (
        f"{row['name']:<16} {'-' if size is None else f'{size:.1f}':>5} "
        f"{'-' if milliseconds is None else milliseconds:>5}  "
        f"{'-' if accuracy is None else f'{accuracy:.1f} %':<9} {row.get('licence', '-'):<11} {row['state']:<14} "
        f"{row['from']}"
    )


def _measured(row: dict[str, Any]) -> str:
    return f"  {row['measured']}" if row.get("measured") else ""
