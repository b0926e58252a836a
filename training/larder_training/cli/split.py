"""The command ``larder split``: cuts a log by time, to train on one part and to evaluate on the other."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from larder.errors import LarderError
from larder_training.cli.log_options import columns_option, time_format_option
from larder_training.io.column_names import parse_columns
from larder_training.io.inputs import FORMATS
from larder_training.io.s3 import is_remote, source
from larder_training.recommender.config.log_format import LogFormat
from larder_training.reporting.counts import counted

if TYPE_CHECKING:  # polars is imported only when a log is cut
    from larder_training.recommender.splits.split_files import LogSplit


@click.command("split", short_help="Cut a log of interactions by time.")
@click.argument("interactions", type=source, nargs=-1, required=True)
@click.option("--last", help="Length of the test period up to the last event: 7d, 12h, 30m or 2w.")
@click.option("--at", help="Start of the test period: 2024-01-31 or 2024-01-31T12:00:00Z.")
@click.option(
    "--fraction", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Share of the events to test on: 0.1."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for both files [default: that of the log; of one in S3, this folder].",
)
@columns_option
@time_format_option
def command(
    *,
    interactions: tuple[Path | str, ...],
    last: str | None,
    at: str | None,
    fraction: float | None,
    out: Path | None,
    columns: tuple[str, ...],
    time_format: str | None,
) -> None:
    """Cut INTERACTIONS by time: the events before the test period go to NAME-history.csv, the others to NAME-test.csv.

    The log is a file, a folder, a pattern or an s3:// URL, in each format that `larder train recommender` reads. Give
    one of --last, --at and --fraction. The new files have Larder's column names and times in epoch seconds.
    """
    from larder_training.recommender.splits.split_files import Cut, parse_duration, parse_moment, split_log

    if sum(option is not None for option in (last, at, fraction)) != 1:
        raise click.UsageError("Give one of --last, --at and --fraction, such as --last 7d.")
    folder, name = _place(interactions[0])
    folder = folder if out is None else out
    try:
        cut = Cut(None if last is None else parse_duration(last), None if at is None else parse_moment(at), fraction)
        folder.mkdir(parents=True, exist_ok=True)
        paths = folder / f"{name}-history.csv", folder / f"{name}-test.csv"
        found = split_log(interactions, cut, *paths, LogFormat(parse_columns(columns), time_format))
    except LarderError as error:
        raise click.ClickException(str(error)) from error
    for line in _lines(found):
        click.echo(line)


def _place(log: Path | str) -> tuple[Path, str]:
    """Folder and name of the new files."""
    path = Path(str(log).rstrip("/"))
    name = path.name
    for suffix in sorted(FORMATS, key=len, reverse=True):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    name = "".join(letter for letter in name if letter not in "*?[]").strip("-_.") or "interactions"
    return Path() if is_remote(log) else path.parent, name


def _lines(found: "LogSplit") -> Iterator[str]:
    from larder_training.recommender.data.times import iso

    back = counted(found.returning, "of the users is", "of the users are")
    yield from found.notices
    for part, more in ((found.history, ""), (found.test, f"; {back} in the history")):
        yield (
            f"{part.path}: {counted(part.events, 'event')} of {counted(part.users, 'user')} with "
            f"{counted(part.items, 'item')}, {iso(part.first)} to {iso(part.last)}{more}"
        )
    lost = found.without_time + found.unreadable
    if lost:
        yield (
            f"{counted(lost, 'row is', 'rows are')} in neither file: "
            f"{found.without_time} without a time, {found.unreadable} unreadable."
        )
    yield "Next:"
    history, test = (shlex.quote(str(part.path)) for part in (found.history, found.test))
    yield f"  larder train recommender --interactions {history} --model shop"
    yield f"  larder evaluate shop --interactions {test} --history {history}"
