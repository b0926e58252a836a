"""Compares models for users and items with 0, 1, 2, 5 or 10 known events with popularity.

    python examples/complete_journey/convert.py ../shared/data/completejourney /tmp/complete-journey
    python benchmarks/recommender/cold_start.py /tmp/complete-journey

Takes a folder with the interactions.csv, items.csv and users.csv that an example's converter writes. Models are fitted
to the events before the test period (temporal_split), and settings are tuned on the validation period before it. Prints
Markdown tables: means, 95 % intervals by bootstrap over users, and differences paired by user.
"""

import argparse
from pathlib import Path

from cold_start_items import items
from cold_start_tables import Period
from cold_start_users import users

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.dataset import read_dataset
from larder_training.recommender.splits.time_split import temporal_split
from larder_training.reporting.progress import Progress


def main() -> None:
    """Tunes on the validation period and prints metrics of the test period."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=("users", "items", "both"), default="both")
    parser.add_argument("--period", choices=("test", "validation"), default="test")
    parser.add_argument("--gamma", type=float, help="gamma of fill_cold [default: tuned on the validation period]")
    parser.add_argument("--width", type=int, default=200, help="co-occurring items per regression [default: 200]")
    options = parser.parse_args()
    folder = options.folder
    files = {name: folder / f"{name}.csv" for name in ("items", "users")}
    data = read_dataset(RecommenderOptions(folder / "interactions.csv", "shop", **files), Progress(quiet=True))
    split = temporal_split(data.log)
    validation = Period.of(data, split.validation, split.test, options.width)
    test = Period.of(data, split.test, split.end, options.width) if options.period == "test" else validation
    if options.part != "items":
        users(validation, test)
    if options.part != "users":
        items(validation, test, options.gamma)


if __name__ == "__main__":
    main()
