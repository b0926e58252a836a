"""``larder models``."""

import json

import click

from larder_local.client import Client


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(*, as_json: bool) -> None:
    """List the models that the service has, and which release of each answers.

    The service is LARDER_URL, or the `larder up` of this folder.
    """
    answer = Client.from_environment().get("/v1/models")
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    if not answer["models"]:
        click.echo("No model yet: train one with `larder train`, then `larder publish` it.")
    for entry in answer["models"]:
        click.echo(f"{entry['model']}  {entry['kind']}  {entry['live'] or 'nothing live'}  {entry['created']}")
