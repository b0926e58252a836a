from pathlib import Path

from larder_training.recommender.data.reviews import MAX_CHARACTERS, MAX_REVIEWS, review_texts

HEAD = "USER_ID,ITEM_ID,TIMESTAMP,REVIEW_TEXT\n"


def test_an_item_has_its_latest_reviews_newest_first(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        HEAD + 'u,a,1,"old,\n  and fine"\nv,a,3,new\nu,b,2,\nu,unknown,2,gone\nw,c,5,one\nw,c,5,one\nv,c,5,two\n',
        encoding="utf-8",
    )
    assert review_texts(path, ["a", "b", "c", "d"]) == ["new\nold, and fine", None, "one\ntwo", None]


def test_the_number_and_length_of_reviews_are_limited(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(HEAD + "\n".join(f"u,a,{n},r{n} {'x' * 600}" for n in range(50)), encoding="utf-8")
    (text,) = review_texts(path, ["a"]) or [None]
    assert text is not None
    lines = text.split("\n")
    assert [line.split()[0] for line in lines] == [f"r{n}" for n in range(49, 49 - MAX_REVIEWS, -1)]
    assert {len(line) for line in lines} == {MAX_CHARACTERS}


def test_a_log_without_review_texts_gives_none(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("USER_ID,ITEM_ID,TIMESTAMP\nu,a,1\n", encoding="utf-8")
    assert review_texts(path, ["a"]) is None
    path = tmp_path / "log.jsonl"
    path.write_text('{"USER_ID": "u", "ITEM_ID": "a", "TIMESTAMP": 1}\n', encoding="utf-8")
    assert review_texts(path, ["a"]) is None
