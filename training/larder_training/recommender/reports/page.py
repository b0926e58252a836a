"""``report.html`` and ``metrics.json`` of a recommender."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from larder.release.manifest import Manifest
from larder_training.recommender.ensemble.titles import with_titles
from larder_training.recommender.metrics.ranking import best_baseline
from larder_training.recommender.reports import data_section
from larder_training.recommender.reports.segment_title import segment_title
from larder_training.recommender.tuning.trials import TrialLog, explain, plot
from larder_training.reporting.counts import counted
from larder_training.reporting.html import (
    Block,
    Section,
    details,
    facts,
    figure,
    paragraph,
    properties,
    render,
    table,
)
from larder_training.reporting.plots import COLOURS, INK, drawing_of, legend_above
from larder_training.reporting.terms import linked
from larder_training.reporting.title import TitleBlock, about, warnings
from larder_training.reporting.values import Estimate, estimate, number, percent, times

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Any: a section of the manifest, JSON; this module only lays it out.
Document = Mapping[str, Any]
_NAMES: Final = {
    "larder": "this model",
    "popularity": "popularity",
    "recent_popularity": "recent popularity",
    "own_items_again": "own items again",
    "release_before": "earlier release",
    "without_the_session": "without the session",
}
_COLOURS: Final = {name: COLOURS[index] for index, name in enumerate(_NAMES)}
_BARS: Final = ("recall@10", "recall@20", "ndcg@20", "mrr@25")
_SHOWN: Final = ("recall@20", "ndcg@20", "precision@20", "hit_rate@20", "mrr@25")  # the others are folded
_LARGEST: Final = 8  # segments; the others are folded
_MAIN: Final = "recall@20"
_FEW_USERS: Final = 100  # test users from which a result is worth a decision


def metrics_json(evaluation: Document) -> bytes:
    """The evaluation, and its main metrics under the names of Amazon Personalize's GetSolutionMetrics."""
    metrics = {name: value["mean"] for name, value in evaluation["metrics"].items()}
    personalize = {
        "coverage": evaluation["coverage"]["larder"],
        "mean_reciprocal_rank_at_25": metrics.get("mrr@25"),
        **{f"normalized_discounted_cumulative_gain_at_{k}": metrics.get(f"ndcg@{k}") for k in (5, 10, 25)},
        **{f"precision_at_{k}": metrics.get(f"precision@{k}") for k in (5, 10, 25)},
    }
    document = {**evaluation, "personalize": personalize}
    return (json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


@dataclass(frozen=True, slots=True, eq=False)
class RecommenderReport:
    """What ``report.html`` shows in addition to the manifest.

    Attributes:
        examples: (user, recent items, recommendations) of some users, as texts.
        segments: (name, number of users, popular items) of segments.
        trials: Trials of the search.
    """

    examples: Sequence[tuple[str, str, str]]
    segments: Sequence[tuple[str, int, str]]
    trials: TrialLog

    def html(self, manifest: Manifest) -> bytes:
        """The page of the release that this manifest describes."""
        evaluation, training = manifest.evaluation, manifest.training
        sections = [
            Section.of("Summary", *_summary(evaluation)),
            Section.of("Comparison with baselines", *_comparison(evaluation)),
            Section.of("Groups of users and tasks", *_by_group(evaluation)),
            Section.of("Popularity bias", *_popularity_curve(evaluation)),
            Section.of("Examples", table(("User", "Recent items", "Recommendations"), self.examples)),
            Section.of("Segments", *_segments(self.segments)),
            data_section.section(evaluation, training),
            Section.of(
                "Hyperparameters",
                *map(paragraph, explain(self.trials)),
                *([plot(self.trials.trials)] if self.trials.trials else []),
                details("All hyperparameters", properties(with_titles(training["hyperparameters"]))),  # type: ignore[arg-type]  # JSON: an object
            ),
        ]
        return render(_title(manifest), sections).encode()


def _segments(segments: Sequence[tuple[str, int, str]]) -> list[Block]:
    """The popular items of segments; most are folded."""
    head = ("Segment", "Users", "Popular items")
    rows = [(segment_title(name), users, items) for name, users, items in segments]
    more = rows[_LARGEST:]
    return [
        table(head, rows[:_LARGEST]),
        *([details(counted(len(more), "smaller segment"), table(head, more))] if more else []),
    ]


def _title(manifest: Manifest) -> TitleBlock:
    evaluation: Document = manifest.evaluation
    headline, context = _headline(evaluation)
    return TitleBlock(
        "Recommender",
        manifest.model,
        headline,
        context,
        about(manifest, data_section.in_words(manifest.training)),
        [*warnings(manifest), *_doubts(evaluation)],
    )


def _headline(evaluation: Document) -> tuple[str, str]:
    """The multiple against the best baseline, and the numbers behind it."""
    if not evaluation["metrics"]:
        return "Not evaluated", "No user with earlier events returned in the test period, so there are no metrics."
    name, baseline = best_baseline(evaluation)
    own, other = estimate(evaluation["metrics"][_MAIN]), estimate(baseline[_MAIN])
    found = f"{_title_of(_MAIN)} is {own} for this model and {other} for {_NAMES[name]}, with 95 % intervals"
    users = counted(evaluation["users"], "user")
    if "ratio" not in baseline[_MAIN]:
        return f"{_title_of(_MAIN)} is {own.value}", f"{found}, over {users} of the test period."
    ratio = baseline[_MAIN]["ratio"]
    low, high = ratio["interval"]
    return (
        f"{_title_of(_MAIN)} is {times(ratio['mean'])} that of the best baseline, {_NAMES[name]}",
        f"95 % interval {number(low)} to {times(high)}. {found}, over {users} of the test period.",
    )


def _doubts(evaluation: Document) -> list[str]:
    """Why the result may not be worth a decision."""
    if not evaluation["metrics"]:
        return ["The model could not be evaluated: no user with earlier events returned in the test period."]
    doubts = []
    name, baseline = best_baseline(evaluation)
    low, high = baseline[_MAIN]["difference"]["interval"]
    if high < 0:
        doubts.append(f"The baseline “{_NAMES[name]}” is better than this model.")
    elif low <= 0:
        doubts.append(
            f"The model is not better than the baseline “{_NAMES[name]}” beyond noise: the 95 % interval of the "
            "difference contains 0."
        )
    if evaluation["users"] < _FEW_USERS:
        users = counted(evaluation["users"], "user")
        doubts.append(f"Only {users} could be tested, so the intervals are wide. A longer log gives surer numbers.")
    return doubts


def _summary(evaluation: Document) -> list[Block]:
    metrics = evaluation["metrics"]
    if not metrics:
        return [paragraph("No user with earlier events returned in the test period, so metrics cannot be computed.")]
    tiles: dict[str, object] = {
        "Recall@20": estimate(metrics[_MAIN]),
        "NDCG@20": estimate(metrics["ndcg@20"]),
        "Hit rate@20": estimate(metrics["hit_rate@20"]),
        "Coverage": percent(evaluation["coverage"]["larder"]),
    }
    for name in evaluation["baselines"]:
        ratio = evaluation["baselines"][name][_MAIN].get("ratio")
        if ratio:
            low, high = ratio["interval"]
            tiles[f"Recall@20 against {_NAMES[name]}"] = Estimate(
                times(ratio["mean"]), f"{number(low)} to {times(high)}"
            )
    return [facts(tiles), paragraph(evaluation["protocol"])]


def _comparison(evaluation: Document) -> list[Block]:
    if not evaluation["metrics"]:
        return [paragraph("No metrics.")]
    systems = {"larder": evaluation["metrics"], **evaluation["baselines"]}
    head = ("Metric", *(_NAMES[name] for name in systems))
    rows: dict[str, tuple[object, ...]] = {
        metric: (linked(_title_of(metric)), *(estimate(systems[name][metric]) for name in systems))
        for metric in evaluation["metrics"]
    }
    others = [row for metric, row in rows.items() if metric not in _SHOWN]
    lists: list[tuple[object, ...]] = [
        (linked("Coverage"), *(percent(evaluation["coverage"][name]) for name in systems)),
        (linked("Diversity"), *(number(evaluation["diversity"][name]) for name in systems)),
        (linked("Novelty, bits"), *(number(evaluation["novelty"][name]) for name in systems)),
    ]
    users = counted(evaluation["users"], "user")
    caption = f"Means over {users} of the test period; bars are 95 % intervals. Longer is better."
    return [
        figure(_bars(systems), caption),
        table(head, [*(rows[metric] for metric in _SHOWN), *lists]),
        details("Further metrics", table(head, others)),
    ]


def _title_of(metric: str) -> str:
    """The metric as the glossary writes it."""
    name, _, depth = metric.partition("@")
    return f"{name.upper() if name in {'ndcg', 'mrr'} else name.replace('_', ' ').capitalize()}@{depth}"


def _bars(systems: Mapping[str, Document]) -> "Figure":
    """A group of bars per metric, each with the name of its system beside it."""
    drawing, axes = drawing_of(height=0.5 + 0.2 * len(systems) * len(_BARS))
    height = 0.8 / len(systems)
    for index, (name, metrics) in enumerate(systems.items()):
        means = [metrics[metric]["mean"] for metric in _BARS]
        below = [metrics[metric]["mean"] - metrics[metric]["interval"][0] for metric in _BARS]
        above = [metrics[metric]["interval"][1] - metrics[metric]["mean"] for metric in _BARS]
        positions = [group + index * height for group in range(len(_BARS))]
        axes.barh(
            positions,
            means,
            height,
            xerr=(below, above),
            capsize=2,
            label=_NAMES[name],
            color=_COLOURS[name],
            ecolor=INK,
        )
    axes.set_yticks([group + 0.4 - height / 2 for group in range(len(_BARS))], [_title_of(name) for name in _BARS])
    axes.invert_yaxis()
    legend_above(axes)
    return drawing


def _popularity_curve(evaluation: Document) -> list[Block]:
    drawing, axes = drawing_of()
    curve = evaluation["curve"]
    styles = {"data": "--", "larder": "-", "popularity": ":", "own_items_again": "-."}
    for name, style in styles.items():
        if name in curve:
            colour, title = _COLOURS.get(name, INK), _NAMES.get(name, name)
            axes.plot(curve["items"], curve[name], style, marker=".", color=colour, label=title)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("most popular items")
    axes.set_ylabel("cumulative share")
    legend_above(axes)
    caption = (
        "Cumulative share that the most popular items have of the data and of the recommendations. A curve above that "
        "of the data recommends popular items more often than users choose them."
    )
    return [figure(drawing, caption)]


def _by_group(evaluation: Document) -> list[Block]:
    """One table per metric; one row per question, one column per system."""
    blocks: list[Block] = [paragraph(f"{_title_of(_MAIN)} with 95 % intervals, on groups of users and on other tasks.")]
    parts = _parts(evaluation)
    for metric in ("recall@20", "ndcg@20"):
        systems = list(dict.fromkeys(name for part in parts.values() for name in _systems(part)))
        rows = [
            (
                title,
                part["users"],
                *(estimate(_systems(part)[name][metric]) if name in _systems(part) else None for name in systems),
            )
            for title, part in parts.items()
            if part["metrics"]
        ]
        head = ("Users or task", "Users", *(_NAMES[name] for name in systems))
        shown = table(head, rows)
        blocks.append(shown if metric == _MAIN else details(f"The same by {_title_of(metric)}", shown))
    return blocks


def _systems(part: Document) -> dict[str, Document]:
    """The metrics of each system that a part evaluates."""
    systems = {"larder": part["metrics"], **part["baselines"]}
    return {name: metrics for name, metrics in systems.items() if metrics}


def _parts(evaluation: Document) -> dict[str, Document]:
    """The groups of users and the tasks by their titles."""
    return {
        "All users with history": evaluation,
        **{f"Event {name}": part for name, part in evaluation["by_event"].items()},
        **{f"Users with {items} items": part for items, part in evaluation["by_history"].items()},
        **{f"Users with {segment_title(segment)}": part for segment, part in evaluation["by_segment"].items()},
        **(
            {"Events after the earlier release": evaluation["release_before"]} if "release_before" in evaluation else {}
        ),
        "Items new to the user": evaluation["new_to_the_user"],
        "Second half of a session": evaluation["sessions"],
        "Users without history": evaluation["new_users"],
    }
