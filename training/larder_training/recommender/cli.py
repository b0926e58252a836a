"""``larder train recommender``."""

from pathlib import Path

import click

from larder.errors import LarderError
from larder_training.progress import Progress
from larder_training.recommender.options import RELEASES, RecommenderOptions, Repeats, parse_numbers

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("recommender")
@click.option(
    "--interactions", type=_FILE, required=True, help="CSV: USER_ID, ITEM_ID, TIMESTAMP[, EVENT_TYPE, EVENT_VALUE]."
)
@click.option("--items", type=_FILE, help="CSV: ITEM_ID and metadata columns.")
@click.option("--users", type=_FILE, help="CSV: USER_ID and profile columns.")
@click.option("--model", required=True, help="The model's name: a-z, 0-9 and '-'.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=RELEASES, show_default=True)
@click.option(
    "--event-weights",
    multiple=True,
    metavar="EVENT=W,...",
    help="How much each type says [default: chosen]; 0 leaves it out.",
)
@click.option(
    "--event-thresholds", multiple=True, metavar="EVENT=V,...", help="The EVENT_VALUE from which an event counts."
)
@click.option("--half-life-days", type=float, help="The age at which an event counts half [default: chosen].")
@click.option(
    "--repeats",
    type=click.Choice(["auto", "allow", "never"]),
    default="auto",
    show_default=True,
    help="Whether a user may be recommended what he had before; auto chooses on the validation period.",
)
@click.option("--minutes", type=float, default=10.0, show_default=True, help="How long settings may be searched for.")
@click.option(
    "--trials", type=int, help="How many settings may be tried: with it, the same input gives the same bytes."
)
@click.option(
    "--against",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a release, such as the live one, to measure on the same users.",
)
@click.option("--quiet", is_flag=True, help="No progress; prints the release's folder alone.")
def command(  # noqa: PLR0913  # one argument an option: click passes them so
    *,
    interactions: Path,
    items: Path | None,
    users: Path | None,
    model: str,
    seed: int,
    out: Path,
    event_weights: tuple[str, ...],
    event_thresholds: tuple[str, ...],
    half_life_days: float | None,
    repeats: Repeats,
    minutes: float,
    trials: int | None,
    against: Path | None,
    quiet: bool,
) -> None:
    """Trains a recommender from a log of events and prints the release's folder.

    The columns are Amazon Personalize's; files may be gzipped.
    """
    from larder_training.recommender.train import train

    try:
        options = RecommenderOptions(
            interactions=interactions,
            model=model,
            items=items,
            users=users,
            out=out,
            seed=seed,
            event_weights=parse_numbers("--event-weights", event_weights),
            event_thresholds=parse_numbers("--event-thresholds", event_thresholds),
            half_life_days=half_life_days,
            repeats=repeats,
            minutes=minutes,
            trials=trials,
            against=against,
        )
        folder = train(options, Progress(quiet=quiet))
    except LarderError as error:
        raise click.ClickException(str(error)) from error
    click.echo(folder)
