"""``larder models``."""

import json

import click

from larder_local import service


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="Print the response as JSON.")
def command(*, as_json: bool) -> None:
    """List the models of the service and the live release of each.

    The service is the one at LARDER_URL [default: the `larder up` of this folder].
    """
    with service.connect() as client:
        models = [entry.document for entry in client.models()]
    if as_json:
        click.echo(json.dumps({"models": models}, ensure_ascii=False, indent=2))
        return
    if not models:
        click.echo(
            "The service has no model yet: train one with `larder train`, then publish it with `larder publish`."
        )
    for entry in models:
        click.echo(f"{entry['model']}  {entry['kind']}  {entry['live'] or 'no live release'}  {entry['created']}")
