"""``larder models``."""

import json

import click

from larder_local import service


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(*, as_json: bool) -> None:
    """List the models that the service has, and which release of each answers.

    The service is LARDER_URL, or the `larder up` of this folder.
    """
    with service.connect() as client:
        models = [entry.document for entry in client.models()]
    if as_json:
        click.echo(json.dumps({"models": models}, ensure_ascii=False, indent=2))
        return
    if not models:
        click.echo("No model yet: train one with `larder train`, then `larder publish` it.")
    for entry in models:
        click.echo(f"{entry['model']}  {entry['kind']}  {entry['live'] or 'nothing live'}  {entry['created']}")
