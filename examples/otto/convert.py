"""Converts OTTO's sessions to a log that ``larder train recommender`` reads.

    python examples/otto/convert.py train.jsonl OUT

Reads one session per line, ``{"session": 0, "events": [{"aid": 1, "ts": 1659304800025, "type": "clicks"}, ...]}``.
Writes OUT/part-00000.parquet and so on, with one event per row. The session is the USER_ID, because users are unknown.
The types clicks, carts and orders become click, cart and pay; milliseconds become seconds.
"""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl

TYPES = {"clicks": "click", "carts": "cart", "orders": "pay"}
LINES = 500_000  # of one file; they are in memory at the same time


def events(source: Path) -> Iterator[dict[str, object]]:
    """The events of all sessions, in the order of the file."""
    with source.open(encoding="utf-8") as lines:
        for line in lines:
            session = json.loads(line)
            for event in session["events"]:
                yield {
                    "USER_ID": f"s{session['session']}",
                    "ITEM_ID": str(event["aid"]),
                    "TIMESTAMP": event["ts"] // 1000,
                    "EVENT_TYPE": TYPES[event["type"]],
                }


def convert(source: Path, out: Path, lines: int = LINES) -> dict[str, int]:
    """Writes files of at most ``lines`` events into ``out`` and returns the counts."""
    out.mkdir(parents=True, exist_ok=True)
    sessions: set[str] = set()
    all_events, event_count, part_count = events(source), 0, 0
    while part := list(islice(all_events, lines)):
        table = pl.DataFrame(part)
        table.write_parquet(out / f"part-{part_count:05}.parquet")
        sessions.update(table["USER_ID"].unique())
        event_count, part_count = event_count + table.height, part_count + 1
    return {"sessions": len(sessions), "interactions": event_count}


def main() -> None:
    """The command line."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for name, count in convert(Path(sys.argv[1]), Path(sys.argv[2])).items():
        print(f"{count:>8}  {name}")


if __name__ == "__main__":
    main()
