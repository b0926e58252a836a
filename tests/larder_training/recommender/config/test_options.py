from pathlib import Path

import pytest

from larder.errors import InvalidRequest
from larder_training.recommender.config.options import RecommenderOptions, parse_names, parse_numbers, parse_scales


def test_numbers_by_event_type() -> None:
    assert parse_numbers("--event-weights", ["view=1,cart=3", " pay = 5.5 "]) == {"view": 1, "cart": 3, "pay": 5.5}
    assert parse_numbers("--event-weights", []) == {}


@pytest.mark.parametrize("text", ["view", "view=", "=3", "view=much", "view=nan", "view=inf"])
def test_a_wrong_piece_is_named(text: str) -> None:
    with pytest.raises(InvalidRequest, match=f"--event-weights: '{text}' is not EVENT=NUMBER"):
        parse_numbers("--event-weights", [text])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"half_life_days": 0}, "half_life_days is 0"),
        ({"half_life_days": -1}, "half_life_days is -1"),
        ({"event_weights": {"view": -1.0}}, "ignore every event"),
        ({"event_weights": {"view": float("nan")}}, "give finite numbers"),
        ({"event_values": {"review": (5.0, 1.0)}}, "event_values of review are 5:1"),
        ({"event_weights": {"view": 0.0}}, "ignore every event"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_invalid_values_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        RecommenderOptions(Path("log.csv"), "shop", **values)  # type: ignore[arg-type]  # wrong on purpose


def test_scales_and_names() -> None:
    assert parse_scales("--event-values", ["review=1:5,like=-1:1"]) == {"review": (1, 5), "like": (-1, 1)}
    assert parse_names(["return, refund", "void"]) == ("return", "refund", "void")


@pytest.mark.parametrize("text", ["review", "review=5", "=1:5", "review=1:", "review=a:b"])
def test_a_wrong_scale_is_named(text: str) -> None:
    with pytest.raises(InvalidRequest, match=f"--event-values: '{text}' is not EVENT=WORST:BEST"):
        parse_scales("--event-values", [text])
