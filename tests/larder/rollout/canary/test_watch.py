"""What a log says of a canary: which lines count, and what follows from them."""

import json
import math
import random

import pytest

from larder.rollout.canary.sequential_test import Aggregate, compare_means
from larder.rollout.canary.watch import Arm, Verdict, compare_arms, decide, read_log

OLD, NEW = "20260101t000000z-00000001", "20260102t000000z-00000002"


def line(arm: str | None, release: str | None, *, status: int = 200, ms: float = 5.0, model: str = "pets") -> str:
    return json.dumps({"route": "POST /", "model": model, "release": release, "arm": arm, "status": status, "ms": ms})


def read(*lines: str) -> tuple[Arm, Arm]:
    return read_log(lines, "pets", NEW, OLD)


def log(rng: random.Random, requests: int, share: float, failing: float, slower: float) -> list[str]:
    """A log of requests: the stable release fails in 1 % and takes 5 ms, the canary as stated."""
    lines = []
    for _ in range(requests):
        canary = rng.random() < share
        failed = rng.random() < (failing if canary else 0.01)
        ms = rng.lognormvariate(math.log(5.0 * (slower if canary else 1.0)), 0.5)
        arm, release = ("canary", NEW) if canary else ("stable", OLD)
        lines.append(line(arm, release, status=500 if failed else 200, ms=ms))
    return lines


def test_only_requests_count_whose_key_chose_one_of_the_two_releases() -> None:
    canary, stable = read(
        line("canary", NEW),
        "2026-11-30T07:00:00.123Z " + line("stable", OLD, ms=math.e),  # as `aws logs tail` prints it
        line(None, NEW),  # the request named the release, or had no key
        line("stable", "20251231t000000z-00000000"),  # of an earlier canary
        line("canary", NEW, model="shop"),
        line("canary", NEW, status=422),  # the caller's fault
        line("canary", NEW, status=500),
        "START RequestId: 1 {",
        '["a", {"list": 1}]',
        '{"arm": ["canary"]}',
        '{"arm": "canary", "model": "pets", "release": "' + NEW + '", "status": "200", "ms": null}',
        "",
    )
    assert (canary.errors, canary.latency.count) == (Aggregate(2, 1, 1), 1)
    assert stable.errors == Aggregate(1, 0, 0)
    assert stable.latency.count == 1
    assert [stable.latency.total, stable.latency.squares] == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(
    ("failing", "slower", "verdict"),
    [
        (0.01, 1.0, "promote"),
        (0.05, 1.0, "reject"),
        (0.01, 1.5, "reject"),
        (0.0, 0.8, "promote"),  # better
        (0.01, 1.05, "promote"),  # slower by less than the margin
    ],
)
def test_the_verdict_of_many_requests(failing: float, slower: float, verdict: Verdict) -> None:
    arms = read(*log(random.Random(0), 60_000, 0.5, failing, slower))
    assert decide(compare_arms(*arms)) == verdict


def test_few_requests_wait_also_if_none_has_failed() -> None:
    assert decide(compare_arms(*read())) == "wait"
    assert "too few requests to compare" in compare_arms(*read())[0].sentence()
    # GIVEN more requests than the least number, all fast and without an error THEN a rare error may be still to come
    lines = [line("canary", NEW) for _ in range(150)] + [line("stable", OLD) for _ in range(3000)]
    errors, latency = compare_arms(*read(*lines))
    assert (errors.verdict, latency.verdict) == ("wait", "promote")


def test_sentences_have_both_values_the_difference_and_the_margin() -> None:
    errors, latency = compare_arms(*read(*log(random.Random(0), 20_000, 0.5, 0.05, 1.5)))
    assert "of the canary's requests, " in errors.sentence()
    assert "the margin is +0.50." in errors.sentence()
    assert "ms of the live release: +" in latency.sentence()
    assert "the margin is +10.00." in latency.sentence()


def test_the_least_variance_widens_an_interval() -> None:
    arms = Aggregate(200), Aggregate(4000)
    found = compare_means(*arms, level=0.05, least_variance=0.01)
    assert found is not None
    assert found.low < 0 < found.high
