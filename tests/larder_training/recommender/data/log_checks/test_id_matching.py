import pytest

from larder_training.recommender.data.log_checks.id_matching import match_ids

NUMBERS = range(1, 41)


@pytest.mark.parametrize(
    ("log", "metadata", "way"),
    [
        ([f"{n:05}" for n in NUMBERS], [str(n) for n in NUMBERS], "40 would meet without leading zeros"),
        ([str(n) for n in NUMBERS], [f"{n:010}" for n in NUMBERS], "40 would meet without leading zeros"),
        ([f"{n}.0" for n in NUMBERS], [str(n) for n in NUMBERS], "40 would meet without the suffix .0"),
        ([f"sku{n}x" for n in NUMBERS], [f"SKU{n}X" for n in NUMBERS], "40 would meet in one case"),
        ([f"a {n}" for n in NUMBERS], [f"a-{n}" for n in NUMBERS], "40 would meet without blanks, dashes and signs"),
        ([f"P{n}" for n in NUMBERS], [str(n) for n in NUMBERS], "40 would meet without the letters before the digits"),
        ([f"00{n}.0" for n in NUMBERS], [str(n) for n in NUMBERS], "40 would meet without leading zeros, .0, blanks"),
    ],
)
def test_what_keeps_ids_apart_is_named(log: list[str], metadata: list[str], way: str) -> None:
    match = match_ids("ITEM_ID", log, metadata)
    assert match.few
    assert (match.sentence() or "").startswith("Only 0 of the 40 items of the log are among the 40 of the items file (")
    assert way in (match.sentence() or "")


def test_ids_of_two_worlds_are_few_without_a_remedy() -> None:
    match = match_ids("USER_ID", [f"u{n}" for n in NUMBERS], [f"x-{n}y" for n in NUMBERS])
    assert match.few
    assert "would meet" not in (match.sentence() or "")


def test_ids_that_meet_need_no_sentence() -> None:
    """THEN a catalogue of more items, or of a part of the log's, is not suspicious."""
    log = [str(n) for n in NUMBERS]
    for metadata in (log, [*log, *map(str, range(100, 900))], log[:3], [*log[:5], "x"]):
        match = match_ids("ITEM_ID", log, metadata)
        assert not match.few
        assert match.sentence() is None


def test_a_part_that_a_spelling_keeps_apart_is_said() -> None:
    log = [str(n) if n < 30 else f"0{n}" for n in NUMBERS]
    match = match_ids("ITEM_ID", log, [str(n) for n in NUMBERS])
    assert not match.few
    assert "Only 29 of the 40 items" in (match.sentence() or "")
    assert "40 would meet without leading zeros" in (match.sentence() or "")
