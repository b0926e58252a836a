"""Larder beside the naive handler, FastAPI, BentoML, MLServer, Redis, SQLite and implicit: one run, one machine.

    python benchmarks/serving/run.py --classifier RELEASE --float32 RELEASE --recommender RELEASE --interactions CSV
        --photos FOLDER [--built .aws-sam/build] [--rounds 3] [--seconds 5] [--cold 10] [--plot FILE.svg]

README.md beside this file says what is measured, and what it gave. It needs Linux with two cores, Docker, wrk and
redis-server. Everything that it starts listens on 127.0.0.1, and ends with it.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from side_by_side import http_load, object_store, runtime_load
from side_by_side.containers import cold_start, ensure_image
from side_by_side.contenders import Bundle, Result, Service
from side_by_side.line_up import LineUp
from side_by_side.material import Material, prepare
from side_by_side.processes import LOAD_CORE
from side_by_side.report import plot, table, targets


def main() -> None:
    """Prints the tables, and writes every round's numbers beside the environments."""
    given = arguments()
    ensure_image()
    os.sched_setaffinity(0, {LOAD_CORE})
    folder = given.work.resolve()
    material = prepare(
        folder / "material",
        classifier=given.classifier,
        float32=given.float32,
        recommender=given.recommender,
        photos=given.photos,
        interactions=given.interactions,
    )
    with object_store.serving(folder) as s3:
        object_store.fill(s3, material)
        bundles, services = line_up(LineUp(material, given.built, folder, s3), material)
        bundles = [bundle for bundle in bundles if chosen(bundle.name, given.only)]
        services = [service for service in services if chosen(service.name, given.only)]
        entries: list[Bundle | Service] = [*bundles, *services]
        results = {(entry.task, entry.name): Result(entry.name, entry.task, entry.size) for entry in entries}
        for number in range(given.cold):
            for bundle in bundles:
                tell(f"cold start {number + 1}: {bundle.name}, {bundle.task}")
                results[bundle.task, bundle.name].cold.append(started(bundle))
        for number in range(given.rounds):
            for entry in entries:
                tell(f"round {number + 1}: {entry.name}, {entry.task}")
                warm(entry, given.seconds, folder, results[entry.task, entry.name])
    measured = list(results.values())
    (folder / "results.json").write_text(json.dumps([asdict(result) for result in measured], indent=1))
    print(table(measured))
    print(targets(measured))
    if given.plot:
        plot(measured, given.plot)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classifier", type=Path, required=True, help="a classifier's release folder, int8")
    parser.add_argument(
        "--float32", type=Path, required=True, help="the same in float32: `larder train --dtype float32`"
    )
    parser.add_argument("--recommender", type=Path, required=True, help="a recommender's release folder")
    parser.add_argument("--interactions", type=Path, required=True, help="the CSV that the recommender was trained on")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of JPEGs, at any depth")
    parser.add_argument(
        "--built", type=Path, default=Path(".aws-sam/build"), help="where `make build` left the template"
    )
    parser.add_argument("--work", type=Path, default=Path("build/serving"), help="for environments, logs and numbers")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is started and measured warm")
    parser.add_argument("--seconds", type=int, default=5, help="of each of a round's two measurements")
    parser.add_argument("--cold", type=int, default=10, help="cold starts of each function")
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of the names of those who take part")
    parser.add_argument("--plot", type=Path, help="an SVG or PNG file to draw")
    return parser.parse_args()


def line_up(line: LineUp, material: Material) -> tuple[Sequence[Bundle], Sequence[Service]]:
    """Who takes part."""
    classify, recommend = line.larder("classify"), line.larder("recommend")
    bundles = (
        classify,
        line.floor(classify),
        line.naive_photos(classify, byte_code=False),
        line.naive_photos(classify, byte_code=True),
        recommend,
        line.naive_lists(recommend),
        line.empty(recommend),
    )
    services = (
        line.fastapi(material.float32, "FastAPI, float32"),
        line.fastapi(material.int8, "FastAPI, int8"),
        line.bentoml(material.int8),
        line.mlserver(material.int8),
        *line.redis(),
        line.sqlite(),
        line.implicit(),
        *line.gateway(),
    )
    return bundles, services


def chosen(name: str, beginnings: Sequence[str]) -> bool:
    """Whether ``--only`` lets this one take part."""
    return name.startswith(tuple(beginnings))


def started(bundle: Bundle) -> float:
    """Seconds of one cold start; raises RuntimeError where the answer is no success."""
    seconds, answer = cold_start(bundle, bundle.events[0])
    if b'"statusCode": 200' not in answer or bundle.expected not in answer:
        raise RuntimeError(f"{bundle.name} answers {answer[:500]!r}: look at its code and its environment.")
    return seconds


def warm(entry: Bundle | Service, seconds: int, folder: Path, result: Result) -> None:
    """One round of one contender."""
    if isinstance(entry, Service):
        http_load.measure(entry, seconds, folder, result)
    elif entry.warm:
        asyncio.run(runtime_load.measure(entry, seconds, result))


def tell(what: str) -> None:
    """A line of progress."""
    print(what, flush=True)


if __name__ == "__main__":
    main()
