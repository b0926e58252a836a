"""Converts OTTO's sessions to a log that ``larder train recommender`` reads.

    python examples/otto/convert.py train.jsonl OUT

Reads one session a line, ``{"session": 0, "events": [{"aid": 1, "ts": 1659304800025, "type": "clicks"}, ...]}``, and
writes OUT/part-00000.parquet and so on, an event a row. A session is all that is known of its user, so it is the
USER_ID. Types clicks, carts and orders become click, cart and pay; milliseconds become seconds.
"""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl

TYPES = {"clicks": "click", "carts": "cart", "orders": "pay"}
LINES = 500_000  # of a file: what is held in memory


def events(source: Path) -> Iterator[dict[str, object]]:
    """The events of all sessions, in the file's order."""
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
    found, written, number = events(source), 0, 0
    while part := list(islice(found, lines)):
        table = pl.DataFrame(part)
        table.write_parquet(out / f"part-{number:05}.parquet")
        sessions.update(table["USER_ID"].unique())
        written, number = written + table.height, number + 1
    return {"sessions": len(sessions), "interactions": written}


def main() -> None:
    """The command line."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for name, count in convert(Path(sys.argv[1]), Path(sys.argv[2])).items():
        print(f"{count:>8}  {name}")


if __name__ == "__main__":
    main()
