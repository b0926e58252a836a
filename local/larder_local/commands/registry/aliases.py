"""``larder aliases``: other names of models, for clients of other services."""

import json
from typing import TYPE_CHECKING

import click

from larder.errors import InvalidRequest
from larder_local.commands.registry.options import listed_model, open_existing, store_option
from larder_local.console import print_table
from larder_local.workspace import Workspace

if TYPE_CHECKING:  # obstore is slow to import: --help does without it
    from larder.store import Store


@click.group("aliases")
def command() -> None:
    """Let another name, such as an ARN or an endpoint's name, mean a model.

    Clients of Amazon Rekognition, Personalize and SageMaker name models by ARNs and endpoints. Without an alias, the
    last part of such a name is the name of the model: ...:campaign/shop means shop.
    """


@command.command("set")
@click.argument("name")
@click.argument("model")
@store_option
def set_(name: str, model: str, store: str | None) -> None:
    """Let NAME mean MODEL; functions that run know it within 30 seconds."""
    from larder.registry.aliases import set_alias

    workspace = Workspace.current()
    listed_model(workspace, open_existing(workspace, store), model)
    set_alias(_opened(workspace, store), name, model)
    click.echo(f"{name} means {model}. See all: larder aliases list")


@command.command("list")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the aliases as JSON.")
def list_(store: str | None, *, as_json: bool) -> None:
    """List all aliases."""
    from larder.registry.aliases import read_aliases

    opened = open_existing(Workspace.current(), store)
    aliases = read_aliases(opened)[0] if opened is not None else {}
    if as_json:
        click.echo(json.dumps(aliases, ensure_ascii=False, indent=2, sort_keys=True))
    elif not aliases:
        click.echo("There is no alias. Make one: larder aliases set NAME MODEL")
    else:
        print_table(("name", "model"), sorted(aliases.items()))


@command.command("rm")
@click.argument("name")
@store_option
def rm(name: str, store: str | None) -> None:
    """Remove the alias NAME."""
    from larder.registry.aliases import remove_alias

    if not remove_alias(_opened(Workspace.current(), store), name):
        raise InvalidRequest(f"There is no alias {name!r}. See all: larder aliases list")
    click.echo(f"{name} is no longer an alias.")


def _opened(workspace: Workspace, store: str | None) -> "Store":
    from larder.store import open_store

    return open_store(store or workspace.store)
