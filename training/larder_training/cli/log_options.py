"""Options that commands on event logs share: the files, and how they are written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from larder_training.io.s3 import source

F = TypeVar("F", bound=Callable[..., Any])

time_format_option: Final = click.option(
    "--time-format",
    metavar="FORMAT",
    help="Format of TIMESTAMP, such as '%d/%m/%Y %H:%M' [default: recognized].",
)
columns_option: Final = click.option(
    "--columns",
    multiple=True,
    metavar="COLUMN=NAME,...",
    help="The files' names of columns: USER_ID=userId,ITEM_ID=movieId,TIMESTAMP=ts; EVENT_VALUE= for none "
    "[default: usual names are recognized].",
)
_FILES: Final = {
    "--interactions": "Events: USER_ID, ITEM_ID, TIMESTAMP and optionally EVENT_TYPE, EVENT_VALUE; a file, a folder, a "
    "pattern or an s3:// URL.",
    "--items": "Item metadata: ITEM_ID and any columns.",
    "--users": "User metadata: USER_ID and profile columns.",
}
_OPTIONS: Final = (
    click.option(
        "--types",
        multiple=True,
        metavar="COLUMN=TYPE,...",
        help="Type of an item or user column [default: inferred]: number, category, categories (several in one cell, "
        "separated by |) or text.",
    ),
    columns_option,
    click.option(
        "--schema",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        help="Schema of Amazon Personalize (Avro) that interactions, items or users must have; may be repeated.",
    ),
    time_format_option,
    click.option("--allow-small", is_flag=True, help="Accept a log that is too small to learn from."),
    click.option("--allow-unmatched-ids", is_flag=True, help="Accept a log of which hardly an id is in the metadata."),
)


def log_options(command: F) -> F:
    """Adds the options for the event log and its metadata: files, folders or patterns, local or at s3://."""
    files = (
        click.option(name, type=source, multiple=True, required=name == "--interactions", metavar="FILE", help=text)
        for name, text in _FILES.items()
    )
    for option in reversed((*files, *_OPTIONS)):
        command = option(command)
    return command
