"""``larder policy``."""

import json
from dataclasses import asdict

import click

from larder_local.commands.registry.options import listed_model, open_existing, store_option
from larder_local.console import print_table
from larder_local.workspace import Workspace


@click.command("policy")
@click.argument("model")
@click.option(
    "--metric", metavar="NAME", help="The metric that decides, such as ndcg@20; `headline` for the usual one."
)
@click.option("--margin", type=float, metavar="X", help="By how much a release may be worse, in units of the metric.")
@click.option(
    "--not-measurable",
    type=click.Choice(["promote", "reject"]),
    help="What becomes of a release that was not compared with the live one on the same data.",
)
@click.option("--keep", type=int, metavar="N", help="How many of the newest releases stay; 0 for all.")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the policy as JSON.")
def command(
    model: str,
    metric: str | None,
    margin: float | None,
    not_measurable: str | None,
    keep: int | None,
    store: str | None,
    *,
    as_json: bool,
) -> None:
    """Show what MODEL requires of a new release, or change it.

    A new release is compared with the live one before it answers, by `larder publish` and by the rollout on AWS. It is
    rejected if it is worse beyond noise by more than the margin: if the 95 % interval of the difference is below minus
    the margin. When a release goes live, older ones than the newest --keep are removed, except the live and the
    previous one, and a canary.
    """
    from larder.registry.policy import changed_policy, read_policy, write_policy
    from larder.store import open_store

    workspace = Workspace.current()
    listed_model(workspace, open_existing(workspace, store), model)
    opened = open_store(store or workspace.store)
    policy, etag = read_policy(opened, model)
    given = {"metric": metric, "margin": margin, "not_measurable": not_measurable, "keep": keep}
    changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if changes.get("metric") == "headline":
        changes["metric"] = None
    if keep == 0:
        changes["keep"] = None
    if changes:
        policy = changed_policy(policy, changes)
        write_policy(opened, model, policy, etag)
    if as_json:
        click.echo(json.dumps(asdict(policy), indent=2))
        return
    shown = {
        **asdict(policy),
        "metric": policy.metric or "headline (accuracy or recall@20)",
        "keep": policy.keep or "all",
    }
    print_table(("policy", "value"), [[name, str(value)] for name, value in shown.items()])
    if not changes:
        click.echo(f"To change it: larder policy {model} --margin 0.01")
