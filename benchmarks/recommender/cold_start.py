"""Users and items without history, or with 1, 2, 5 or 10 known events, against popularity.

    python examples/complete_journey/convert.py ../shared/data/completejourney /tmp/complete-journey
    python benchmarks/recommender/cold_start.py /tmp/complete-journey

Takes a folder with the interactions.csv, items.csv and users.csv that an example's converter writes. What comes before
the test period (temporal_split) is fitted to; settings are chosen on the validation period before it. Markdown tables:
means, 95 % intervals bootstrapped over users, and differences paired by user.
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
    """Chooses on the validation period, measures on the test period, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=("users", "items", "both"), default="both")
    parser.add_argument("--period", choices=("test", "validation"), default="test")
    parser.add_argument("--gamma", type=float, help="fill_cold's [default: chosen on the validation period]")
    parser.add_argument("--width", type=int, default=200, help="items that each item's regression looks at [200]")
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
