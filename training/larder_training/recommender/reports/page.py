"""``report.html`` and ``metrics.json`` of a recommender."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from larder_training.recommender.tuning.trials import TrialLog, explain, plot
from larder_training.reporting.html import Block, Section, drawing_of, facts, figure, paragraph, render, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Any: the evaluation section is a JSON document, and this module only lays it out.
Document = Mapping[str, Any]
_NAMES: Final = {
    "larder": "this model",
    "popularity": "popularity",
    "recent_popularity": "recent popularity",
    "own_items_again": "own items again",
    "release_before": "the release before",
    "without_the_session": "without the session",
}
_BARS: Final = ("recall@10", "recall@20", "ndcg@10", "ndcg@20", "mrr@25", "hit_rate@20")


def metrics_json(evaluation: Document) -> bytes:
    """The evaluation, and its main metrics under the names of Amazon Personalize's GetSolutionMetrics."""
    metrics = {name: told["mean"] for name, told in evaluation["metrics"].items()}
    named = {
        "coverage": evaluation["coverage"]["larder"],
        "mean_reciprocal_rank_at_25": metrics.get("mrr@25"),
        **{f"normalized_discounted_cumulative_gain_at_{k}": metrics.get(f"ndcg@{k}") for k in (5, 10, 25)},
        **{f"precision_at_{k}": metrics.get(f"precision@{k}") for k in (5, 10, 25)},
    }
    return (json.dumps({**evaluation, "personalize": named}, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def report_html(
    model: str,
    evaluation: Document,
    training: Document,
    examples: Sequence[tuple[str, str, str]],
    segments: Sequence[tuple[str, int, str]],
    trials: TrialLog,
) -> bytes:
    """The whole report.

    Args:
        model: its name.
        evaluation: the manifest's section.
        training: the manifest's section.
        examples: some users' recent items, their recommendations, and who they are, as texts.
        segments: each segment's text, users and most popular items.
        trials: what was tried to choose.
    """
    sections = [
        Section.of("In short", *_headline(evaluation, training)),
        Section.of("Ranking", *_ranking(evaluation)),
        Section.of("The long tail", *_tail(evaluation)),
        Section.of("Other questions", *_others(evaluation)),
        Section.of("Examples", table(("user", "had lately", "is recommended"), examples)),
        Section.of("Segments", table(("segment", "users", "most popular"), segments)),
        Section.of("Data", table(("what", "rows"), list(training["data"]["audit"].items())), _split(evaluation)),
        Section.of("Hyperparameters", *map(paragraph, explain(trials)), *_trials(trials), _choices(training)),
    ]
    return render(f"Recommender {model}", sections).encode()


def _headline(evaluation: Document, training: Document) -> list[Block]:
    metrics, data = evaluation["metrics"], training["data"]
    tiles = {"users": data["users"], "items": data["items"], "events": data["audit"]["used"]}
    if not metrics:
        return [
            facts(tiles),
            paragraph("Nobody with earlier events came back in the test period: nothing was measured."),
        ]
    tiles |= {"recall@20": _cell(metrics["recall@20"]), "NDCG@20": _cell(metrics["ndcg@20"])}
    tiles["coverage"] = f"{evaluation['coverage']['larder']:.1%}"
    for name in ("popularity", "recent_popularity"):
        ratio = evaluation["baselines"][name]["recall@20"].get("ratio")
        if ratio:
            tiles[f"recall@20 over {_NAMES[name]}"] = (
                f"{ratio['mean']:.2f}x [{ratio['interval'][0]:.2f}, {ratio['interval'][1]:.2f}]"
            )
    return [facts(tiles), paragraph(evaluation["protocol"])]


def _ranking(evaluation: Document) -> list[Block]:
    if not evaluation["metrics"]:
        return [paragraph("No measurement.")]
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
    for place, (name, metrics) in enumerate(systems.items()):
        means = [metrics[metric]["mean"] for metric in _BARS]
        below = [metrics[metric]["mean"] - metrics[metric]["interval"][0] for metric in _BARS]
        above = [metrics[metric]["interval"][1] - metrics[metric]["mean"] for metric in _BARS]
        spots = [each + place * width for each in range(len(_BARS))]
        axes.bar(spots, means, width, yerr=(below, above), capsize=2, label=_NAMES[name])
    axes.set_xticks([each + 0.4 - width / 2 for each in range(len(_BARS))], _BARS)
    axes.legend(frameon=False)
    return drawing


def _tail(evaluation: Document) -> list[Block]:
    drawing, axes = drawing_of(8, 3.2)
    curve = evaluation["curve"]
    for name in ("data", "larder", "popularity", "own_items_again"):
        if name in curve:
            axes.plot(curve["items"], curve[name], marker=".", label="users' items" if name == "data" else _NAMES[name])
    axes.set_xscale("log")
    axes.set_xlabel("the most popular items")
    axes.set_ylabel("share")
    axes.legend(frameon=False)
    return [
        figure(
            drawing,
            "Popularity curve: the share that the most popular items have of the data and of what is recommended.",
        )
    ]


def _others(evaluation: Document) -> list[Block]:
    """By type of event, history, segment, new items, sessions and new users, one line each."""
    parts = {f"event {name}": part for name, part in evaluation["by_event"].items()}
    parts |= {f"users who had {items} items": part for items, part in evaluation["by_history"].items()}
    parts |= {f"users of {segment}": part for segment, part in evaluation["by_segment"].items()}
    if "release_before" in evaluation:
        parts["after the release before was trained"] = evaluation["release_before"]
    parts["items new to the user"] = evaluation["new_to_the_user"]
    parts["rest of the session"] = evaluation["sessions"]
    parts["users without history"] = evaluation["new_users"]
    rows = []
    for title, part in parts.items():
        for name, metrics in {"larder": part["metrics"], **part["baselines"]}.items():
            if metrics:
                cells = (_cell(metrics["recall@20"]), _cell(metrics["ndcg@20"]), _cell(metrics["mrr@25"]))
                rows.append((f"{title}: {_NAMES[name]}", part["users"], *cells))
    return [table(("question", "users", "recall@20", "NDCG@20", "MRR"), rows)]


def _split(evaluation: Document) -> Block:
    split = evaluation["split"]
    parts = ("train", "validation", "test")
    return table(("period", "from", "to, not included"), [(part, *split[part]) for part in parts])


def _trials(trials: TrialLog) -> list[Block]:
    return [plot(trials.trials)] if trials.trials else []


def _choices(training: Document) -> Block:
    rows = [(name, value) for name, value in training["hyperparameters"].items()]
    return table(("choice", "value"), rows)


def _cell(told: Document) -> str:
    low, high = told["interval"]
    return f"{told['mean']:.4f} [{low:.4f}, {high:.4f}]"
