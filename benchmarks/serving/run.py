"""Compare Larder with a naive handler, FastAPI, BentoML, MLServer, Redis, SQLite and implicit in one run.

    python benchmarks/serving/run.py --classifier RELEASE --float32 RELEASE --recommender RELEASE --interactions CSV
        --images FOLDER [--built .aws-sam/build] [--rounds 3] [--seconds 5] [--cold 10] [--plot FILE.svg]

README.md in this folder describes the measurements and results. This needs Linux with two cores, Docker, wrk and
redis-server. All servers that it starts listen on 127.0.0.1 and end with it.
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
    """Prints the tables, and writes the numbers of all rounds."""
    options = arguments()
    ensure_image()
    os.sched_setaffinity(0, {LOAD_CORE})
    folder = options.work.resolve()
    material = prepare(
        folder / "material",
        classifier=options.classifier,
        float32=options.float32,
        recommender=options.recommender,
        images=options.images,
        interactions=options.interactions,
    )
    with object_store.serving(folder) as s3:
        object_store.fill(s3, material)
        bundles, services = line_up(LineUp(material, options.built, folder, s3), material)
        bundles = [bundle for bundle in bundles if is_selected(bundle.name, options.only)]
        services = [service for service in services if is_selected(service.name, options.only)]
        entries: list[Bundle | Service] = [*bundles, *services]
        results = {(entry.task, entry.name): Result(entry.name, entry.task, entry.size) for entry in entries}
        for number in range(options.cold):
            for bundle in bundles:
                progress(f"cold start {number + 1}: {bundle.name}, {bundle.task}")
                results[bundle.task, bundle.name].cold.append(measure_cold_start(bundle))
        for number in range(options.rounds):
            for entry in entries:
                progress(f"round {number + 1}: {entry.name}, {entry.task}")
                warm(entry, options.seconds, folder, results[entry.task, entry.name])
    all_results = list(results.values())
    (folder / "results.json").write_text(json.dumps([asdict(result) for result in all_results], indent=1))
    print(table(all_results))
    print(targets(all_results))
    if options.plot:
        plot(all_results, options.plot)


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classifier", type=Path, required=True, help="release folder of a classifier in int8")
    parser.add_argument(
        "--float32", type=Path, required=True, help="the same in float32: `larder train classifier --dtype float32`"
    )
    parser.add_argument("--recommender", type=Path, required=True, help="release folder of a recommender")
    parser.add_argument(
        "--interactions", type=Path, required=True, help="CSV of interactions that the recommender was trained on"
    )
    parser.add_argument("--images", type=Path, required=True, help="folder with JPEG files, at any depth")
    parser.add_argument(
        "--built", type=Path, default=Path(".aws-sam/build"), help="folder of the built template of `make build`"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("build/serving"), help="folder for environments, logs and results"
    )
    parser.add_argument("--rounds", type=int, default=3, help="number of warm measurements of each contender")
    parser.add_argument("--seconds", type=int, default=5, help="seconds of each of the two measurements of a round")
    parser.add_argument("--cold", type=int, default=10, help="number of cold starts of each function")
    parser.add_argument("--only", nargs="+", default=[""], help="prefixes of the names of the contenders to measure")
    parser.add_argument("--plot", type=Path, help="SVG or PNG file to plot to")
    return parser.parse_args()


def line_up(line: LineUp, material: Material) -> tuple[Sequence[Bundle], Sequence[Service]]:
    """All contenders."""
    classify, recommend = line.larder("classify"), line.larder("recommend")
    bundles = (
        classify,
        line.floor(classify),
        line.naive_images(classify, byte_code=False),
        line.naive_images(classify, byte_code=True),
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


def is_selected(name: str, prefixes: Sequence[str]) -> bool:
    """Whether ``--only`` selects this contender."""
    return name.startswith(tuple(prefixes))


def measure_cold_start(bundle: Bundle) -> float:
    """Seconds of one cold start; raises RuntimeError if the response is not a success."""
    seconds, response = cold_start(bundle, bundle.events[0])
    if b'"statusCode": 200' not in response or bundle.expected not in response:
        raise RuntimeError(f"{bundle.name} returned {response[:500]!r}: check its code and its environment.")
    return seconds


def warm(entry: Bundle | Service, seconds: int, folder: Path, result: Result) -> None:
    """One round of one contender."""
    if isinstance(entry, Service):
        http_load.measure(entry, seconds, folder, result)
    elif entry.warm:
        asyncio.run(runtime_load.measure(entry, seconds, result))


def progress(what: str) -> None:
    """Prints a line of progress."""
    print(what, flush=True)


if __name__ == "__main__":
    main()
