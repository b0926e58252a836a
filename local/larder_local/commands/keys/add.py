"""``larder keys add``."""

import time
from typing import Any

import click

from larder.errors import InvalidRequest
from larder.release.keys import check_model
from larder_local.commands.keys.options import Expiry, json_option, kms_option, open_keys, print_secret
from larder_local.commands.registry.options import store_option


@click.command("add")
@click.argument("scopes", metavar="SCOPE...", nargs=-1, required=True)
@click.option("--description", default="", help="What the key is for, or who has it.")
@click.option("--expires", type=Expiry(), help="When it ends: 90d, 12h, or a date such as 2027-03-31 [default: never].")
@click.option(
    "--signing",
    is_flag=True,
    help="Let the key sign requests, as boto3 and Alibaba Cloud's clients do. The store then has its secret too, not "
    "only the hash of it.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, 10_000, min_open=True),
    help="Requests a second in the long run, for each instance of a function [default: no limit].",
)
@click.option("--burst", type=click.IntRange(1, 10_000), help="Requests at once [default: the rate, at least 1].")
@click.option("--default-model", help="The model that answers where a protocol names none, as Google Vision's.")
@store_option
@kms_option
@json_option
def command(
    scopes: tuple[str, ...],
    description: str,
    store: str | None,
    kms_key: str | None,
    *,
    signing: bool,
    as_json: bool,
    **limits: Any,  # noqa: ANN401  --expires, --rate, --burst and --default-model, in the types of their options
) -> None:
    """Make a key that may do what each SCOPE says, and print its secret, once.

    \b
    classify:MODEL      label images
    recommend:MODEL     recommend, rank and find similar items
    events:MODEL        send events of users
    items:MODEL         send new items, and columns of known ones
    users:MODEL         send profiles of users
    privacy:MODEL       export and remove what is stored of users
    models:read         list and describe models, releases and files
    models:write        change filters and other names for models
    admin               everything

    MODEL is a model's name, the beginning of names and * (pets-*), or * for all. Functions accept the key within a
    second or two.
    """  # noqa: D301  \b is click's mark of a paragraph that keeps its lines
    from larder.auth.scopes import parse_scope
    from larder_local.keys.issue import new_key

    if limits["burst"] is not None and limits["rate"] is None:
        raise click.UsageError("--burst needs --rate: without a rate there is no limit.")
    if limits["default_model"] is not None:
        check_model(limits["default_model"])
    key, secret = new_key(
        tuple(dict.fromkeys(map(parse_scope, scopes))),
        now=int(time.time()),
        description=_printable(description),
        signs=signing,
        **limits,
    )
    open_keys(store, kms_key).add(key)
    print_secret(key, secret, as_json=as_json, local=not store)


def _printable(description: str) -> str:
    if len(description) > 200 or not description.isprintable():
        raise InvalidRequest("The description is not one line of at most 200 printable characters: shorten it.")
    return description
