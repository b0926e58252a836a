"""``larder compare``."""

import json
from typing import TYPE_CHECKING, Any

import click

from larder_local.commands.registry.options import check_known, listed_model, open_existing, store_option
from larder_local.console import print_table, size
from larder_local.workspace import Workspace

if TYPE_CHECKING:  # obstore is slow to import: --help does without it
    from larder.registry.documents import Document


@click.command("compare")
@click.argument("model")
@click.argument("release")
@click.argument("base", required=False)
@click.option("--metric", metavar="NAME", help="The metric to compare by [default: the headline of their evaluations].")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def command(
    model: str, release: str, base: str | None, metric: str | None, store: str | None, *, as_json: bool
) -> None:
    """Compare the RELEASE of MODEL with BASE [default: the live one]: quality, size, labels or items.

    Both must be in the store. The verdict is that of the rollout's gate.
    """
    from larder.registry.documents import documents_of
    from larder.store import open_store

    workspace = Workspace.current()
    listed = listed_model(workspace, open_existing(workspace, store), model)
    for name in filter(None, (release, base)):
        check_known(listed, name)
    found = documents_of(open_store(store or workspace.store)).comparison(model, release, base, metric)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _print(found)


def _print(found: "Document") -> None:
    shown: Any = found
    new, base = (shown["releases"][shown[role]] for role in ("release", "base"))
    rows = [["created", new["created"], base["created"]], ["size", size(new["bytes"]), size(base["bytes"])]]
    if new["quality"] or base["quality"]:
        rows.append(["quality", *(_quality(entry["quality"]) for entry in (new, base))])
    print_table(("", shown["release"], shown["base"]), rows)
    click.echo(_verdict(shown["quality"]))
    for kind in ("labels", "items"):
        if kind in shown:
            click.echo(_changed(kind, shown[kind]))


def _quality(stated: Any) -> str:  # noqa: ANN401  # a part of the JSON document
    if not stated:
        return "-"
    low, high = stated["interval_95"]
    return f"{stated['metric']} {stated['value']:.4f} ({low:.4f} to {high:.4f})"


def _verdict(quality: Any) -> str:  # noqa: ANN401  # a part of the JSON document
    if quality["difference"] is None:
        return str(quality["how"])
    low, high = quality["interval"]
    verdict = "It is worse beyond noise." if quality["worse"] else "It is not worse beyond noise."
    return f"Difference {quality['difference']:+.4f} ({low:+.4f} to {high:+.4f}). {quality['how']} {verdict}"


def _changed(kind: str, difference: Any) -> str:  # noqa: ANN401  # a part of the JSON document
    if difference["added"] is None:
        return f"{kind}: {difference['before']:,} before, {difference['after']:,} now; too many to compare."
    parts = [f"{kind}: {difference['after']:,}, {difference['added']:,} new, {difference['removed']:,} gone."]
    for sign, name in (("+", "some_added"), ("-", "some_removed")):
        parts += [f"{sign} {text}" for text in difference[name]]
    return "\n".join(parts)
