"""The table, the targets and the plot."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from side_by_side.contenders import Result, Task

_TITLES: Final[Mapping[Task, str]] = {"classify": "Labels for a photo", "recommend": "25 items for a user"}
_COLUMNS: Final = (
    "cold start, ms",
    "p50, ms",
    "p99, ms",
    "answers/s, one core",
    "CPU ms an answer",
    "memory, MB",
    "unpacked, MB",
)
_PLOTTED: Final = (0, 1, 3, 5, 6)
_OURS, _THEIRS = "#1b7f5c", "#9aa5b1"


def cells(result: Result) -> tuple[float | None, ...]:
    """A contender's numbers, in the order of the columns; None where it has none. Medians of the rounds."""

    def middle(values: Sequence[float], factor: float) -> float | None:
        return factor * median(values) if values else None

    return (
        middle(result.cold, 1e3),
        middle(result.p50, 1e3),
        middle(result.p99, 1e3),
        middle(result.rate, 1),
        middle(result.cpu, 1e3),
        middle(result.memory, 1e-6),
        result.size / 1e6 if result.size else None,
    )


def table(results: Iterable[Result]) -> str:
    """Markdown, one table a task."""
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
    """Markdown: what was promised, what was measured in this run."""
    found = {(result.task, result.name): result for result in results}
    if not {("classify", "Larder"), ("recommend", "Larder"), ("classify", "naive handler")} <= found.keys():
        return ""
    ours, ours_lists = found["classify", "Larder"], found["recommend", "Larder"]
    naive = found["classify", "naive handler"]
    rows: list[tuple[str, float | None, str, float, Callable[[float, float], bool]]] = []

    def ratio(task: Task, name: str, column: str) -> float | None:
        mine, theirs = getattr(found[task, "Larder"], column), getattr(found.get((task, name)), column, ())
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
    floor = found.get(("classify", "the floor"))
    inner = median(ours.p50) / median(floor.inner) if floor and floor.inner and ours.p50 else None
    rows.append(("warm lap, classify / floor without its runtime client", inner, "<=", 1.15, below))
    for task, name, least in (
        ("classify", "FastAPI, float32", 2.0),
        ("classify", "BentoML, int8", 1.5),
        ("recommend", "FastAPI + Redis", 3.0),
    ):
        title = f"answers/s on one core, {task} / {name}"
        rows.append((title, ratio(task, name, "rate"), ">=", least, above))  # type: ignore[arg-type]  # literals above
    empty, redis = found.get(("recommend", "empty handler")), found.get(("recommend", "FastAPI + Redis"))
    if empty and redis and empty.cpu and redis.cpu and ours_lists.cpu:
        alone = median(redis.cpu) / (median(ours_lists.cpu) - median(empty.cpu))
        rows.append(("... by processor time, without the empty handler's", alone, ">=", 3.0, above))
    lines = ["", "| | measured | wanted | |", "| --- " * 4 + "|"]
    for title, value, sign, wanted, good in rows:
        if value is not None:
            lines.append(
                f"| {title} | {value:.2f} | {sign} {wanted:.2f} | {'met' if good(value, wanted) else 'missed'} |"
            )
    return "\n".join(lines)


def plot(results: Sequence[Result], path: Path) -> None:
    """Bars, one row a task, one column a measure; Larder's are green. SVG, PNG or PDF by the name."""
    figure = Figure(figsize=(17, 6), layout="constrained")
    grid = figure.subplots(len(_TITLES), len(_PLOTTED))
    for row, (task, title) in zip(grid, _TITLES.items(), strict=True):
        chosen = [result for result in results if result.task == task]
        for axes, column in zip(row, _PLOTTED, strict=True):
            _bars(axes, chosen, column)
        row[0].set_ylabel(title)
    # Text stays text, and no date: the same numbers give a small file with the same bytes.
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
