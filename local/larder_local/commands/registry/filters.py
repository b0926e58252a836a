"""``larder filters``: filters that are stored beside a recommender, so that a request can name one."""

import json
from typing import TYPE_CHECKING

import click

from larder_local.commands.registry.options import listed_model, open_existing, store_option
from larder_local.console import print_table
from larder_local.workspace import Workspace

if TYPE_CHECKING:  # obstore is slow to import: --help does without it
    from larder.store import Store


@click.group("filters")
def command() -> None:
    """Store filters beside a model: a request names one as @name.

    A stored filter belongs to the model, not to a release. Its parameters ($NAME) get their values with each request.
    """


@command.command("add")
@click.argument("model")
@click.argument("name")
@click.argument("expression")
@store_option
def add(model: str, name: str, expression: str, store: str | None) -> None:
    """Store EXPRESSION as NAME for MODEL, in place of a filter of this name.

    The expression is checked against the columns of the live release. Functions that run know it within 30 seconds.
    """
    from larder.registry import Registry
    from larder.registry.stored_filters import check_expression, put_filter

    opened = _store_of(model, store)
    check_expression(Registry(opened), model, expression)
    stored = put_filter(opened, model, name, expression)
    click.echo(f"{'Stored' if stored.updated is None else 'Replaced'} {name}. Use it: --filter @{name}")


@command.command("list")
@click.argument("model")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the filters as JSON.")
def list_(model: str, store: str | None, *, as_json: bool) -> None:
    """List the filters of MODEL."""
    from larder.registry.stored_filters import read_filters

    filters = read_filters(_store_of(model, store), model)
    if as_json:
        document = {name: stored.document() for name, stored in sorted(filters.items())}
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
    elif not filters:
        click.echo(f"{model} has no stored filter. Store one: larder filters add {model} NAME EXPRESSION")
    else:
        rows = [[name, stored.updated or stored.created, stored.expression] for name, stored in sorted(filters.items())]
        print_table(("name", "stored", "expression"), rows)


@command.command("show")
@click.argument("model")
@click.argument("name")
@store_option
def show(model: str, name: str, store: str | None) -> None:
    """Print the expression of the filter NAME of MODEL."""
    from larder.registry.stored_filters import read_filters, stored_filter

    click.echo(stored_filter(read_filters(_store_of(model, store), model), model, name).expression)


@command.command("rm")
@click.argument("model")
@click.argument("name")
@store_option
def rm(model: str, name: str, store: str | None) -> None:
    """Remove the filter NAME of MODEL; requests that name it fail."""
    from larder.registry.stored_filters import remove_filter

    remove_filter(_store_of(model, store), model, name)
    click.echo(f"Removed {name} of {model}.")


def _store_of(model: str, store: str | None) -> "Store":
    """The store, if it has the model; raises InvalidRequest with the nearest names."""
    from larder.store import open_store

    workspace = Workspace.current()
    listed_model(workspace, open_existing(workspace, store), model)
    return open_store(store or workspace.store)
