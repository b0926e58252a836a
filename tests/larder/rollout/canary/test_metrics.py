"""The metrics of a canary and the verdict that follows from each."""

import random

import pytest
from tests.larder.rollout.canary.lines import NEW, OLD, START, line, log

from larder.registry.policy import DEFAULT_POLICY, RolloutPolicy
from larder.release.manifest import Kind
from larder.release.pointer import Arm
from larder.rollout.canary.look import verdict_of
from larder.rollout.canary.metrics import LEVEL, METRICS, MetricComparison, Verdict, compare_arms, decide
from larder.rollout.canary.sequential_test import Aggregate, compare_means
from larder.rollout.canary.tally import Tally

NO_CLICKS: dict[Arm, Aggregate] = {"canary": Aggregate(), "stable": Aggregate()}


def compared(
    *lines: str, kind: Kind = "classifier", labels: int = 2, policy: RolloutPolicy = DEFAULT_POLICY
) -> tuple[MetricComparison, ...]:
    tally = Tally()
    tally.add(lines, "pets", {"canary": NEW, "stable": OLD}, START)
    return compare_arms(tally.arms, kind, policy, labels=labels, clicks=NO_CLICKS)


def verdicts(comparisons: tuple[MetricComparison, ...]) -> dict[str, Verdict]:
    return {entry.metric: entry.verdict for entry in comparisons}


@pytest.mark.parametrize(
    ("change", "verdict", "worse"),
    [
        ({}, "promote", ""),
        ({"failing": 0.05}, "reject", "errors"),
        ({"slower": 1.5}, "reject", "latency"),
        ({"failing": 0.0, "slower": 0.8, "unknown": 0.0}, "promote", ""),  # better
        ({"slower": 1.05}, "promote", ""),  # slower by less than the margin
        ({"unknown": 0.2}, "reject", "unknown"),
        ({"unknown": 0.04}, "promote", ""),
        ({"cats": 0.8}, "reject", "labels"),
        ({"cats": 0.2}, "reject", "labels"),  # either direction
        ({"cats": 0.55}, "promote", ""),
    ],
)
def test_the_verdict_of_many_requests(change: dict[str, float], verdict: Verdict, worse: str) -> None:
    found = compared(*log(random.Random(0), 60_000, 0.5, **change))
    assert decide(found) == verdict
    assert [entry.metric for entry in found if entry.verdict == "reject"] == ([worse] if worse else [])


def test_few_requests_wait_also_if_none_has_failed() -> None:
    assert decide(compared()) == "wait"
    assert "too few requests to compare" in compared()[0].sentence()
    # GIVEN more requests than the least number, all fast and without an error THEN a rare error may be still to come
    found = compared(*[line("canary", NEW) for _ in range(150)], *[line("stable", OLD) for _ in range(3000)])
    assert verdicts(found) == {"errors": "wait", "latency": "promote"}


def test_the_label_mix_delays_no_promotion_and_needs_the_same_labels() -> None:
    # GIVEN a label whose share has changed, but which few requests show
    lines = log(random.Random(1), 400, 0.5, cats=0.65)
    (labels,) = (entry for entry in compared(*lines) if entry.metric == "labels")
    assert (labels.label in ("cat", "dog"), labels.verdict, labels.beyond) == (True, "promote", False)
    # GIVEN releases that know different labels THEN their shares are not compared
    assert set(verdicts(compared(*lines, labels=0))) == {"errors", "latency", "unknown"}


def test_clicks_reject_only_what_surely_has_fewer() -> None:
    def clicks(canary: Aggregate, stable: Aggregate) -> MetricComparison:
        given: dict[Arm, Aggregate] = {"canary": canary, "stable": stable}
        *_, last = compare_arms(Tally().arms, "recommender", RolloutPolicy(), labels=0, clicks=given)
        return last

    stable = Aggregate(100_000, 5_000, 5_000)
    fewer = clicks(Aggregate(20_000, 400, 400), stable)
    assert (fewer.metric, fewer.verdict) == ("clicks", "reject")
    assert "Click-through: 2.00% of the canary's, 5.00% of the live release's: -3.00 points" in fewer.sentence()
    assert clicks(Aggregate(20_000, 2_000, 2_000), stable).verdict == "promote", "more clicks are not worse"
    assert clicks(Aggregate(200, 8, 8), stable).verdict == "promote", "what is not sure delays nothing"
    assert clicks(Aggregate(), stable).metric == "latency", "without impressions of the canary there is no metric"


@pytest.mark.parametrize("kind", ["classifier", "recommender"])
def test_the_level_is_split_between_the_metrics_of_the_kind(kind: Kind) -> None:
    found = compared(*log(random.Random(2), 4000, 0.5), kind=kind)
    canary, stable = (Aggregate(entry, 0, 0) for entry in found[0].requests)
    expected = compare_means(canary, stable, level=LEVEL / len(METRICS[kind]), least_variance=1 / canary.count)
    wide = compared(*[line("canary", NEW)] * canary.count, *[line("stable", OLD)] * stable.count, kind=kind)
    assert wide[0].interval == expected


HOURS = 24.0


@pytest.mark.parametrize(
    ("policy", "change", "hours", "verdict", "why"),
    [
        (RolloutPolicy(), {}, 1.0, "wait", "do not suffice yet"),
        (RolloutPolicy(), {}, HOURS, "promote", "The policy promotes such a canary"),
        (RolloutPolicy(undecided="reject"), {}, HOURS, "reject", "The policy rejects such a canary"),
        (RolloutPolicy(), {"failing": 0.03}, HOURS, "reject", "What was measured is beyond the margin. Errors"),
        (RolloutPolicy(), {"slower": 1.3}, HOURS, "reject", "What was measured is beyond the margin. Latency"),
        (RolloutPolicy(), {"failing": 0.5}, 0.1, "reject", "was worse than the live release. Errors"),
        (RolloutPolicy(canary_hours=0.5), {}, 0.6, "promote", "The policy promotes"),
    ],
)
def test_the_policy_decides_what_the_requests_leave_open(
    policy: RolloutPolicy, change: dict[str, float], hours: float, verdict: Verdict, why: str
) -> None:
    found = compared(*log(random.Random(3), 700, 0.5, **change), policy=policy)
    assert verdict_of(found, policy, hours)[0] == verdict
    assert why in verdict_of(found, policy, hours)[1]


def test_a_canary_without_a_request_is_the_policys_to_decide() -> None:
    assert verdict_of(compared(), RolloutPolicy(), HOURS)[0] == "promote"
    assert verdict_of(compared(), RolloutPolicy(undecided="reject"), HOURS)[0] == "reject"
    # GIVEN too few requests to compare, most of which fail THEN they count all the same
    assert verdict_of(compared(*[line("canary", NEW, status=500)] * 5), RolloutPolicy(), HOURS)[0] == "reject"
