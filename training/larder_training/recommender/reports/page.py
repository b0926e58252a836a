"""``report.html`` and ``metrics.json`` of a recommender."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from larder_training.recommender.tuning.trials import TrialLog, explain, plot
from larder_training.reporting.html import Block, Section, drawing_of, facts, figure, paragraph, render, table

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
_BARS: Final = ("recall@10", "recall@20", "ndcg@10", "ndcg@20", "mrr@25", "hit_rate@20")


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
    """Content of ``report.html``.

    Attributes:
        model: Name of the model.
        evaluation: Section of the manifest.
        training: Section of the manifest.
        examples: (user, recent items, recommendations) of some users, as texts.
        segments: (name, number of users, popular items) of segments.
        trials: Trials of the search.
    """

    model: str
    evaluation: Document
    training: Document
    examples: Sequence[tuple[str, str, str]]
    segments: Sequence[tuple[str, int, str]]
    trials: TrialLog

    def html(self) -> bytes:
        """The page. It has no time and no path, so that the same training writes the same bytes."""
        audit = list(self.training["data"]["audit"].items())
        sections = [
            Section.of("Summary", *_summary(self.evaluation, self.training)),
            Section.of("Ranking metrics", *_ranking(self.evaluation)),
            Section.of("Popularity bias", *_popularity_curve(self.evaluation)),
            Section.of("Metrics by group and task", _by_group(self.evaluation)),
            Section.of("Examples", table(("user", "recent items", "recommendations"), self.examples)),
            Section.of("Segments", table(("segment", "users", "popular items"), self.segments)),
            Section.of(
                "Data",
                *map(paragraph, self.training["data"]["notices"]),
                table(("count", "rows"), audit),
                _split(self.evaluation),
            ),
            Section.of(
                "Hyperparameters",
                *map(paragraph, explain(self.trials)),
                *_trials(self.trials),
                _hyperparameters(self.training),
            ),
        ]
        return render(f"Recommender {self.model}", sections).encode()


def _summary(evaluation: Document, training: Document) -> list[Block]:
    metrics, data = evaluation["metrics"], training["data"]
    tiles = {"users": data["users"], "items": data["items"], "events": data["audit"]["used"]}
    if not metrics:
        return [
            facts(tiles),
            paragraph("No user with earlier events returned in the test period, so metrics cannot be computed."),
        ]
    tiles |= {"recall@20": _cell(metrics["recall@20"]), "NDCG@20": _cell(metrics["ndcg@20"])}
    tiles["coverage"] = f"{evaluation['coverage']['larder']:.1%}"
    for name in ("popularity", "recent_popularity"):
        ratio = evaluation["baselines"][name]["recall@20"].get("ratio")
        if ratio:
            low, high = ratio["interval"]
            tiles[f"recall@20 relative to {_NAMES[name]}"] = f"{ratio['mean']:.2f}x [{low:.2f}, {high:.2f}]"
    return [facts(tiles), paragraph(evaluation["protocol"])]


def _ranking(evaluation: Document) -> list[Block]:
    if not evaluation["metrics"]:
        return [paragraph("No metrics.")]
    systems = {"larder": evaluation["metrics"], **evaluation["baselines"]}
    head = ("metric", *(_NAMES[name] for name in systems))
    rows = [(metric, *(_cell(systems[name][metric]) for name in systems)) for metric in evaluation["metrics"]]
    rows.append(("coverage", *(f"{evaluation['coverage'][name]:.1%}" for name in systems)))
    rows.append(("diversity", *(f"{evaluation['diversity'][name]:.3f}" for name in systems)))
    rows.append(("novelty, bits", *(f"{evaluation['novelty'][name]:.2f}" for name in systems)))
    caption = f"Means over {evaluation['users']} users of the test period, with 95 % intervals."
    return [figure(_bars(systems), caption), table(head, rows)]


def _bars(systems: Mapping[str, Document]) -> "Figure":
    drawing, axes = drawing_of(8, 3.5)
    width = 0.8 / len(systems)
    for index, (name, metrics) in enumerate(systems.items()):
        means = [metrics[metric]["mean"] for metric in _BARS]
        below = [metrics[metric]["mean"] - metrics[metric]["interval"][0] for metric in _BARS]
        above = [metrics[metric]["interval"][1] - metrics[metric]["mean"] for metric in _BARS]
        positions = [group + index * width for group in range(len(_BARS))]
        axes.bar(positions, means, width, yerr=(below, above), capsize=2, label=_NAMES[name])
    axes.set_xticks([group + 0.4 - width / 2 for group in range(len(_BARS))], _BARS)
    axes.legend(frameon=False)
    return drawing


def _popularity_curve(evaluation: Document) -> list[Block]:
    drawing, axes = drawing_of(8, 3.2)
    curve = evaluation["curve"]
    for name in ("data", "larder", "popularity", "own_items_again"):
        if name in curve:
            axes.plot(curve["items"], curve[name], marker=".", label="data" if name == "data" else _NAMES[name])
    axes.set_xscale("log")
    axes.set_xlabel("most popular items")
    axes.set_ylabel("cumulative share")
    axes.legend(frameon=False)
    caption = "Cumulative share that the most popular items have of the data and of the recommendations."
    return [figure(drawing, caption)]


def _by_group(evaluation: Document) -> Block:
    """By event type, history and segment; new items, sessions and new users: one row per system."""
    parts = {f"event {name}": part for name, part in evaluation["by_event"].items()}
    parts |= {f"users with {items} items": part for items, part in evaluation["by_history"].items()}
    parts |= {f"users in {segment}": part for segment, part in evaluation["by_segment"].items()}
    if "release_before" in evaluation:
        parts["events after the earlier release"] = evaluation["release_before"]
    parts["items new to the user"] = evaluation["new_to_the_user"]
    parts["second half of a session"] = evaluation["sessions"]
    parts["users without history"] = evaluation["new_users"]
    rows = []
    for title, part in parts.items():
        for name, metrics in {"larder": part["metrics"], **part["baselines"]}.items():
            if metrics:
                cells = (_cell(metrics["recall@20"]), _cell(metrics["ndcg@20"]), _cell(metrics["mrr@25"]))
                rows.append((f"{title}: {_NAMES[name]}", part["users"], *cells))
    return table(("group or task: system", "users", "recall@20", "NDCG@20", "MRR"), rows)


def _split(evaluation: Document) -> Block:
    split = evaluation["split"]
    parts = ("train", "validation", "test")
    return table(("period", "from", "to (exclusive)"), [(part, *split[part]) for part in parts])


def _trials(trials: TrialLog) -> list[Block]:
    return [plot(trials.trials)] if trials.trials else []


def _hyperparameters(training: Document) -> Block:
    return table(("hyperparameter", "value"), list(training["hyperparameters"].items()))


def _cell(value: Document) -> str:
    low, high = value["interval"]
    return f"{value['mean']:.4f} [{low:.4f}, {high:.4f}]"
