"""Which lines of a log count for a canary, and for what."""

import math
from datetime import timedelta

import pytest
from tests.larder.rollout.canary.lines import NEW, OLD, START, START_MS, begun, line

from larder.rollout.canary.sequential_test import Aggregate
from larder.rollout.canary.tally import UNANSWERED, ArmTally, Tally


def tally(*lines: str) -> Tally:
    found = Tally()
    found.add(lines, "pets", {"canary": NEW, "stable": OLD}, START)
    return found


def test_only_requests_count_whose_key_chose_one_of_the_two_releases() -> None:
    found = tally(
        line("canary", NEW),
        "2026-11-30T07:00:00.123Z " + line("stable", OLD, ms=math.e),  # as `aws logs tail` prints it
        line(None, NEW),  # the request named the release, or had no key
        line("stable", "20251231t000000z-00000000"),  # of another canary
        line("canary", NEW, model="shop"),
        line("canary", NEW, status=422),  # the caller's fault
        line("canary", NEW, status=500),
        line("canary", NEW, time=START_MS - 1),  # of an earlier canary of the same release
        "START RequestId: 1 {",
        '["arm", {"list": 1}]',
        '{"arm": ["canary"]}',
        '{"arm": "canary"',
        '{"arm": "canary", "model": "pets", "release": "' + NEW + '", "status": "200", "ms": null}',
        "",
    )
    canary, stable = found.arms["canary"], found.arms["stable"]
    assert (canary.errors, canary.latency.count) == (Aggregate(2, 1, 1), 1)
    assert stable.errors == Aggregate(1, 0, 0)
    assert [stable.latency.total, stable.latency.squares] == pytest.approx([1.0, 1.0])
    assert canary.unknown.count == 0, "a line without `unknown` classified no image"


def test_images_count_by_their_first_label() -> None:
    found = tally(
        line("canary", NEW, unknown=False, label="cat"),
        line("canary", NEW, unknown=True, label=None),
        line("canary", NEW, unknown=False, label="cat", status=500),
        line("stable", OLD, unknown=None, label=None),  # a recommendation
    )
    assert found.arms["canary"].unknown == Aggregate(2, 1.0, 1.0)
    assert found.arms["canary"].labels == {"cat": 1, "": 1}
    assert (found.arms["stable"].unknown.count, found.arms["stable"].labels) == (0, {})


def test_a_request_without_an_answer_has_failed() -> None:
    # GIVEN requests that begin, of which one is answered and one writes no further line: its function crashed
    found = tally(
        begun("canary", NEW, "crashed"), begun("canary", NEW, "answered"), line("canary", NEW, request="answered")
    )
    # WHEN the log is read further, but not far enough THEN it may still be answered
    found.expire(START + UNANSWERED)
    assert (set(found.unanswered), found.arms["canary"].errors) == ({"crashed"}, Aggregate(1))
    found.expire(START + UNANSWERED + timedelta(seconds=1))
    assert (found.unanswered, found.arms["canary"].errors) == ({}, Aggregate(2, 1, 1))
    # THEN it counts once
    found.expire(START + timedelta(days=1))
    assert found.arms["canary"].errors == Aggregate(2, 1, 1)


def test_a_tally_survives_its_document() -> None:
    found = tally(line("canary", NEW, unknown=True, label="cat"), line("canary", NEW, status=503)).arms["canary"]
    assert ArmTally.of(found.document()) == found
