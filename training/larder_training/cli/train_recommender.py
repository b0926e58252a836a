"""The command ``larder train recommender``."""

from pathlib import Path

import click

from larder.errors import LarderError
from larder_training.cli.invocation import command_line
from larder_training.cli.log_options import log_options
from larder_training.cli.summary import print_release
from larder_training.io.column_names import parse_columns
from larder_training.recommender.config.options import (
    CACHE_FOLDER,
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
    parse_types,
)
from larder_training.reporting.progress import Progress


@click.command("recommender")
@log_options
@click.option("--model", required=True, help="Name of the model: a-z, 0-9 and '-'.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all random draws.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=RELEASES,
    show_default=True,
    help="Folder for the release.",
)
@click.option(
    "--event-weights",
    multiple=True,
    metavar="EVENT=W,...",
    help="Weight per event type [default: tuned]; 0 ignores it, a negative weight cancels earlier interactions.",
)
@click.option(
    "--event-thresholds",
    multiple=True,
    metavar="EVENT=V,...",
    help="Smallest EVENT_VALUE per event type at which an event counts.",
)
@click.option(
    "--event-values",
    multiple=True,
    metavar="EVENT=WORST:BEST",
    help="Worst and best EVENT_VALUE of a rating; a rating below the middle counts against the item.",
)
@click.option("--returns", multiple=True, metavar="EVENT,...", help="Event types that cancel earlier interactions.")
@click.option(
    "--dwell", multiple=True, metavar="EVENT,...", help="Event types weighted by the time to the user's next event."
)
@click.option(
    "--bots",
    type=click.Choice(["drop", "keep"]),
    default="drop",
    show_default=True,
    help="Whether to drop users who act faster, or longer without a pause, than people can.",
)
@click.option(
    "--order",
    type=click.Choice(["time", "file", "random"]),
    default="time",
    show_default=True,
    help="Order of events. time: by TIMESTAMP. file: no TIMESTAMP, each user's rows in order, oldest first. random: "
    "no TIMESTAMP and no order (pairs of USER_ID and ITEM_ID); hyperparameters are not tuned.",
)
@click.option("--half-life-days", type=float, help="Age at which an event has half its weight [default: tuned].")
@click.option(
    "--repeats",
    type=click.Choice(["auto", "allow", "never"]),
    default="auto",
    show_default=True,
    help="Whether to recommend items that the user interacted with before; auto: tuned on validation.",
)
@click.option(
    "--reranker",
    type=click.Choice(["auto", "never"]),
    default="auto",
    show_default=True,
    help="Whether to try a reranker (boosted trees); auto keeps it if validation improves.",
)
@click.option(
    "--without", type=click.Choice(OPTIONAL_COMPONENTS), multiple=True, help="Component not to try; may be repeated."
)
@click.option("--minutes", type=float, default=10.0, show_default=True, help="Time limit of the hyperparameter search.")
@click.option("--trials", type=int, help="Limit of trials; use it for a reproducible search.")
@click.option(
    "--compare-with",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a release, such as the live one, to evaluate on the same users.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default=CACHE_FOLDER,
    show_default=True,
    help="Folder that keeps what a search has evaluated: the same command goes on where it was interrupted.",
)
@click.option("--no-cache", is_flag=True, help="Begin the search from its start, and keep nothing.")
@click.option("--quiet", is_flag=True, help="Print the release folder only, no progress.")
def command(  # noqa: PLR0913  # click passes one argument per option
    *,
    interactions: tuple[Path | str, ...],
    items: tuple[Path | str, ...],
    users: tuple[Path | str, ...],
    columns: tuple[str, ...],
    schema: tuple[Path, ...],
    time_format: str | None,
    allow_small: bool,
    allow_unmatched_ids: bool,
    types: tuple[str, ...],
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
    cache: Path,
    no_cache: bool,
    quiet: bool,
) -> None:
    """Train a recommender from an event log and write a release folder.

    Files are CSV, Parquet or JSON lines with Amazon Personalize's columns, local or at s3://; CSV and JSON may be
    gzipped. Repeat an option for several files.
    """
    from larder_training.recommender.train import train

    try:
        options = RecommenderOptions(
            interactions=interactions,
            model=model,
            items=items or None,
            users=users or None,
            columns=parse_columns(columns),
            schema=schema,
            time_format=time_format,
            allow_small=allow_small,
            allow_unmatched_ids=allow_unmatched_ids,
            types=parse_types("--types", types),
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
            cache=None if no_cache else cache,
        )
        folder = train(options, Progress(quiet=quiet), command_line())
    except LarderError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        if not no_cache:
            click.echo("Interrupted: the same command goes on where the search stopped.", err=True)
        raise
    if quiet:
        click.echo(folder)
    else:
        print_release(folder, newest_of=RELEASES)
