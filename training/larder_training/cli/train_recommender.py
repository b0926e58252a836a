"""``larder train recommender``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from larder.errors import LarderError
from larder_training.io.s3 import source
from larder_training.recommender.config.options import (
    OPTIONAL_COMPONENTS,
    RELEASES,
    Bots,
    Order,
    RecommenderOptions,
    Repeats,
    Reranker,
    parse_names,
    parse_numbers,
    parse_scales,
)
from larder_training.reporting.progress import Progress


def reads_log(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a log and its metadata, each a file, a folder or a pattern, maybe at s3://, maybe again."""
    for name, required, told in (
        ("--users", False, "USER_ID and profile columns."),
        ("--items", False, "ITEM_ID and metadata columns."),
        (
            "--interactions",
            True,
            "USER_ID, ITEM_ID, TIMESTAMP[, EVENT_TYPE, EVENT_VALUE]; a file, folder or s3:// URL.",
        ),
    ):
        function = click.option(name, type=source, multiple=True, required=required, metavar="FILE", help=told)(
            function
        )
    return function


@click.command("recommender")
@reads_log
@click.option("--model", required=True, help="The model's name: a-z, 0-9 and '-'.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=RELEASES, show_default=True)
@click.option(
    "--event-weights",
    multiple=True,
    metavar="EVENT=W,...",
    help="How much each type says [default: chosen]; 0 leaves it out, below 0 it takes back.",
)
@click.option(
    "--event-thresholds", multiple=True, metavar="EVENT=V,...", help="The EVENT_VALUE from which an event counts."
)
@click.option(
    "--event-values",
    multiple=True,
    metavar="EVENT=WORST:BEST",
    help="The scale of a type's EVENT_VALUE; below its middle an event speaks against the item.",
)
@click.option("--returns", multiple=True, metavar="EVENT,...", help="Types that take a purchase back.")
@click.option("--dwell", multiple=True, metavar="EVENT,...", help="Types that count by the time to the next event.")
@click.option(
    "--bots",
    type=click.Choice(["drop", "keep"]),
    default="drop",
    show_default=True,
    help="Users who act at rates that no person has.",
)
@click.option(
    "--order",
    type=click.Choice(["time", "file", "random"]),
    default="time",
    show_default=True,
    help="Order of events. time: by TIMESTAMP. file: there is no TIMESTAMP, and each user's rows are in order, the "
    "oldest first. random: there is no TIMESTAMP and no order (pairs of USER_ID and ITEM_ID); the search is skipped.",
)
@click.option("--half-life-days", type=float, help="The age at which an event counts half [default: chosen].")
@click.option(
    "--repeats",
    type=click.Choice(["auto", "allow", "never"]),
    default="auto",
    show_default=True,
    help="Whether a user may be recommended what he had before; auto chooses on the validation period.",
)
@click.option(
    "--reranker",
    type=click.Choice(["auto", "never"]),
    default="auto",
    show_default=True,
    help="Whether boosted trees may put users' rows into order, where validation says that it helps.",
)
@click.option(
    "--without", type=click.Choice(OPTIONAL_COMPONENTS), multiple=True, help="A source that is not to be tried."
)
@click.option("--minutes", type=float, default=10.0, show_default=True, help="How long settings may be searched for.")
@click.option(
    "--trials", type=int, help="How many settings may be tried: with it, the same input gives the same bytes."
)
@click.option(
    "--compare-with",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a release, such as the live one, to measure on the same users.",
)
@click.option("--quiet", is_flag=True, help="No progress; prints the release's folder alone.")
def command(  # noqa: PLR0913  # one argument an option: click passes them so
    *,
    interactions: tuple[Path | str, ...],
    items: tuple[Path | str, ...],
    users: tuple[Path | str, ...],
    model: str,
    seed: int,
    out: Path,
    event_weights: tuple[str, ...],
    event_thresholds: tuple[str, ...],
    event_values: tuple[str, ...],
    returns: tuple[str, ...],
    dwell: tuple[str, ...],
    bots: Bots,
    order: Order,
    half_life_days: float | None,
    repeats: Repeats,
    reranker: Reranker,
    without: tuple[str, ...],
    minutes: float,
    trials: int | None,
    compare_with: Path | None,
    quiet: bool,
) -> None:
    """Trains a recommender from a log of events and prints the release's folder.

    Files are CSV, Parquet or JSON lines with Amazon Personalize's columns, here or at s3://; CSV and JSON may be
    gzipped. Give an option again for more files.
    """
    from larder_training.recommender.train import train

    try:
        options = RecommenderOptions(
            interactions=interactions,
            model=model,
            items=items or None,
            users=users or None,
            out=out,
            seed=seed,
            event_weights=parse_numbers("--event-weights", event_weights),
            event_thresholds=parse_numbers("--event-thresholds", event_thresholds),
            event_values=parse_scales("--event-values", event_values),
            returns=parse_names(returns),
            dwell=parse_names(dwell),
            bots=bots,
            order=order,
            half_life_days=half_life_days,
            repeats=repeats,
            reranker=reranker,
            without=without,
            minutes=minutes,
            trials=trials,
            compare_with=compare_with,
        )
        folder = train(options, Progress(quiet=quiet))
    except LarderError as error:
        raise click.ClickException(str(error)) from error
    click.echo(folder)
