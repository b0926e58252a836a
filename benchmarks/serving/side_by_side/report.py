"""The table, the targets and the plot."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from side_by_side.contenders import Result, Task

_TITLES: Final[Mapping[Task, str]] = {"classify": "Labels of an image", "recommend": "25 items for a user"}
_COLUMNS: Final = (
    "cold start, ms",
    "p50, ms",
    "p99, ms",
    "responses/s, one core",
    "CPU ms per response",
    "memory, MB",
    "unpacked, MB",
)
_PLOTTED: Final = (0, 1, 3, 5, 6)
_OURS, _THEIRS = "#1b7f5c", "#9aa5b1"


def cells(result: Result) -> tuple[float | None, ...]:
    """The medians of a contender's rounds, in the order of the columns; None if not measured."""

    def scaled_median(values: Sequence[float], factor: float) -> float | None:
        return factor * median(values) if values else None

    return (
        scaled_median(result.cold, 1e3),
        scaled_median(result.p50, 1e3),
        scaled_median(result.p99, 1e3),
        scaled_median(result.rate, 1),
        scaled_median(result.cpu, 1e3),
        scaled_median(result.memory, 1e-6),
        result.size / 1e6 if result.size else None,
    )


def table(results: Iterable[Result]) -> str:
    """Markdown, one table per task."""
    lines = []
    for task, title in _TITLES.items():
        lines += ["", f"| {title} | {' | '.join(_COLUMNS)} |", "| --- " * (len(_COLUMNS) + 1) + "|"]
        for result in results:
            if result.task == task:
                lines.append(f"| {result.name} | {' | '.join(map(_text, cells(result)))} |")
    return "\n".join(lines)


def _text(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def targets(results: Sequence[Result]) -> str:
    """Markdown: the targets, and the measurements of this run."""
    by_name = {(result.task, result.name): result for result in results}
    if not {("classify", "Larder"), ("recommend", "Larder"), ("classify", "naive handler")} <= by_name.keys():
        return ""
    ours, ours_lists = by_name["classify", "Larder"], by_name["recommend", "Larder"]
    naive = by_name["classify", "naive handler"]
    rows: list[tuple[str, float | None, str, float, Callable[[float, float], bool]]] = []

    def ratio(task: Task, name: str, column: str) -> float | None:
        mine, theirs = getattr(by_name[task, "Larder"], column), getattr(by_name.get((task, name)), column, ())
        return median(mine) / median(theirs) if mine and theirs else None

    below, above = float.__le__, float.__ge__
    rows.append(("classify, unpacked, MB", ours.size / 1e6, "<=", 125.0, below))
    rows.append(("recommend, unpacked, MB", ours_lists.size / 1e6, "<=", 30.0, below))
    rows.append(
        ("cold start, classify / naive handler", ratio("classify", "naive handler", "cold"), "<=", 1 / 2, below)
    )
    cold = median(ours_lists.cold) / median(naive.cold) if ours_lists.cold and naive.cold else None
    rows.append(("cold start, recommend / naive handler", cold, "<=", 1 / 3, below))
    rows.append(("warm lap, classify / floor", ratio("classify", "the floor", "p50"), "<=", 1.15, below))
    floor = by_name.get(("classify", "the floor"))
    inner = median(ours.p50) / median(floor.inner) if floor and floor.inner and ours.p50 else None
    rows.append(("warm lap, classify / floor without its runtime client", inner, "<=", 1.15, below))
    for task, name, target in (
        ("classify", "FastAPI, float32", 2.0),
        ("classify", "BentoML, int8", 1.5),
        ("recommend", "FastAPI + Redis", 3.0),
    ):
        title = f"responses/s on one core, {task} / {name}"
        rows.append((title, ratio(task, name, "rate"), ">=", target, above))  # type: ignore[arg-type]  # literals above
    empty, redis = by_name.get(("recommend", "empty handler")), by_name.get(("recommend", "FastAPI + Redis"))
    if empty and redis and empty.cpu and redis.cpu and ours_lists.cpu:
        ratio_by_cpu = median(redis.cpu) / (median(ours_lists.cpu) - median(empty.cpu))
        rows.append(("... by processor time, without the empty handler's", ratio_by_cpu, ">=", 3.0, above))
    lines = ["", "| | measured | target | |", "| --- " * 4 + "|"]
    for title, value, sign, target, is_met in rows:
        if value is not None:
            lines.append(
                f"| {title} | {value:.2f} | {sign} {target:.2f} | {'met' if is_met(value, target) else 'missed'} |"
            )
    return "\n".join(lines)


def plot(results: Sequence[Result], path: Path) -> None:
    """Bars, one row per task, one column per measure; Larder's are green. SVG, PNG or PDF by the suffix."""
    figure = Figure(figsize=(17, 6), layout="constrained")
    grid = figure.subplots(len(_TITLES), len(_PLOTTED))
    for row, (task, title) in zip(grid, _TITLES.items(), strict=True):
        chosen = [result for result in results if result.task == task]
        for axes, column in zip(row, _PLOTTED, strict=True):
            _bars(axes, chosen, column)
        row[0].set_ylabel(title)
    # Text stays text, without a date: the file is small, and the same numbers give the same bytes.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "larder"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _bars(axes: Axes, results: Sequence[Result], column: int) -> None:
    known = [(result.name, value) for result in results if (value := cells(result)[column]) is not None]
    names, values = [name for name, _ in known], [value for _, value in known]
    colours = [_OURS if name.startswith("Larder") else _THEIRS for name in names]
    bars = axes.barh(range(len(names)), values, color=colours)
    axes.bar_label(bars, [_text(value) for value in values], padding=2, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.set_title(_COLUMNS[column], fontsize=9)
    axes.tick_params(axis="x", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
