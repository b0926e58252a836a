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
@click.option(
    "--canary", type=int, metavar="PERCENT", help="How many % of the callers it answers at first; 0 for none."
)
@click.option("--canary-hours", type=float, metavar="HOURS", help="How long a canary is watched at most.")
@click.option(
    "--undecided",
    type=click.Choice(["promote", "reject"]),
    help="What becomes of a canary after these hours if it is neither surely worse nor surely fine.",
)
@click.option(
    "--approval/--no-approval", default=None, help="Whether a checked release waits until a person promotes it."
)
@click.option("--errors-margin", type=float, metavar="X", help="By how much a canary's share of errors may be larger.")
@click.option("--latency-margin", type=float, metavar="X", help="By how much its latency may be larger; 0.1 is 10 %.")
@click.option("--unknown-margin", type=float, metavar="X", help="By how much its share of `unknown` may be larger.")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the policy as JSON.")
def command(model: str, store: str | None, *, as_json: bool, **given: str | float | bool | None) -> None:
    """Show what MODEL requires of a new release, or change it.

    A new release is compared with the live one before it answers, by `larder publish` and by the rollout on AWS. It is
    rejected if it is worse beyond noise by more than the margin: if the 95 % interval of the difference is below minus
    the margin. When a release goes live, older ones than the newest --keep are removed, except the live and the
    previous one, and a canary.

    With --canary, a release that passed its checks answers some callers first, and is promoted or rejected by how it
    does. With --approval, it waits until a person promotes it.
    """
    from larder.registry.policy import changed_policy, read_policy, write_policy
    from larder.store import open_store

    workspace = Workspace.current()
    listed_model(workspace, open_existing(workspace, store), model)
    opened = open_store(store or workspace.store)
    policy, etag = read_policy(opened, model)
    changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if changes.get("metric") == "headline":
        changes["metric"] = None
    if changes.get("keep") == 0:
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
