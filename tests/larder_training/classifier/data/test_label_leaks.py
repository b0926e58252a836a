"""Columns that reveal the label are found, and columns that only help are not."""

import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from larder_training.classifier.data.label_leaks import LabelLeak, _words, find_leaks, words
from larder_training.classifier.data.manifests import LabelledImage
from larder_training.classifier.data.scan import Sample

Side = dict[str, str | float]
Draw = Callable[[int, int, random.Random], Side]  # the position of the label, the image's number, random numbers
LABELS = ("rose", "tulip", "oak tree")


def drawn(values: Draw, count: int = 120, labels: tuple[str, ...] = LABELS) -> list[Sample]:
    source = random.Random(4)
    samples = []
    for number in range(count):
        position = number % len(labels)
        side = {name: value for name, value in values(position, number, source).items() if value != ""}
        image = LabelledImage(Path("x"), f"{number}.jpg", labels[position], None, side)
        samples.append(Sample(image, sha256(str(number).encode()).hexdigest(), number))
    return samples


def leaks(samples: list[Sample]) -> list[LabelLeak]:
    return find_leaks(samples, {name for sample in samples for name in sample.image.side})


def sum_of_two(label: int, _number: int, source: random.Random) -> Side:
    first = source.randint(-9, 9)
    return {"first": first, "second": label - first, "third": source.randint(-9, 9)}


def coin(label: int, _number: int, source: random.Random) -> Side:
    """Two columns that say nothing alone."""
    side = source.randrange(2)
    return {"coat": "uv"[side], "tag": "xyz"[(label + side) % 3], "noise": source.choice("abcd")}


def agreeing(label: int, _number: int, source: random.Random) -> Side:
    """A place, a length and a note that help, each wrong for more than a few images."""
    place = ("garden", "field", "wood")[label if source.random() < 0.9 else source.randrange(3)]
    size = ("small", "tall", "huge")[label if source.random() < 0.85 else source.randrange(3)]
    return {"place": place, "length": source.gauss(10 * label, 6), "note": f"a {size} plant, {source.randint(1, 99)}"}


@pytest.mark.parametrize(
    ("values", "columns", "reason"),
    [
        (
            lambda label, number, _: {"url": f"https://x.example/img/{LABELS[label].replace(' ', '_')}/{number}.png"},
            ("url",),
            "its words reveal the label (",
        ),
        (
            lambda label, number, _: {"name": f"{'RTO'[label]}{number:04}.JPG"},
            ("name",),
            "its words reveal the label (",
        ),
        (  # half of the images have a value
            lambda label, number, _: {"name": f"{LABELS[label]}-{number}.png" if number % 2 else ""},
            ("name",),
            "its words reveal the label (",
        ),
        (  # 1 % of the labels were changed afterwards
            lambda label, number, _: {"name": f"{LABELS[label if number % 100 else 0]}-{number}.png"},
            ("name",),
            "its words reveal the label (",
        ),
        (
            lambda label, number, source: {"weight": (30, 10, 20)[label] + source.uniform(0, 5), "dice": number % 7},
            ("weight",),
            "it determines the label by itself",
        ),
        (  # each label on two days
            lambda label, number, source: {"day": label + 3 * (number // 3 % 2) + source.random() / 2},
            ("day",),
            "its numbers reveal the label",
        ),
        (
            lambda label, number, _: {"a": int(label == 0), "b": int(label == 1), "dice": number % 7},
            ("a", "b"),
            "it reveals the label",
        ),
        (
            lambda label, number, _: {"a": "x" if label == 0 else "", "b": "y" if label == 1 else "", "c": number % 7},
            ("a", "b"),
            "it reveals the label",
        ),
        (
            lambda label, number, _: {**{f"k{k}": int(label == k) for k in range(3)}, "dice": number % 7},
            ("k0", "k1", "k2"),  # two of them suffice; the third can take the place of either
            "it reveals the label",
        ),
        (coin, ("coat", "tag"), "it reveals the label"),
        (sum_of_two, ("first", "second"), "it reveals the label"),
    ],
)
def test_columns_that_reveal_the_label_are_found(values: Draw, columns: tuple[str, ...], reason: str) -> None:
    (leak,) = leaks(drawn(values))
    assert leak.columns == columns
    assert leak.reason.startswith(reason)


def test_several_columns_are_described_together() -> None:
    alone, together = LabelLeak(("url",), "its words reveal the label"), LabelLeak(("a", "b"), "it reveals the label")
    assert alone.describe() == "column url must not be used: its words reveal the label"
    assert together.describe() == "columns a and b must not be used: together they reveal the label"


def test_whether_a_column_is_filled_can_reveal_the_label() -> None:
    samples = drawn(
        lambda label, _, source: {"defect": source.choice("abc") if label else "", "n": 1}, 60, ("ok", "bad")
    )
    assert LabelLeak(("defect",), "whether it has a value reveals the label") in leaks(samples)


def test_a_column_with_the_name_of_one_label_among_many_is_found() -> None:
    labels = ("rose", "tulip", "guinea pig", "dog", "cat")

    def values(label: int, number: int, _source: random.Random) -> Side:
        return {"isTulip": "yes" if label == 1 else "no", "tags": f"{number % 7}{'|guinea|pig' if label == 2 else ''}"}

    assert leaks(drawn(values, 100, labels)) == [
        LabelLeak(("isTulip",), "it shows which images have the label tulip"),
        LabelLeak(("tags",), "it shows which images have the label guinea pig"),
    ]


def test_columns_that_only_help_are_kept() -> None:
    assert leaks(drawn(agreeing)) == []
    habitat = ("garden", "wood", "wood")  # certain for one label, with another name
    assert leaks(drawn(lambda label, _, source: {"habitat": habitat[label], "n": source.random()})) == []
    # Ten per cent of the names are those of other labels.
    wrong = drawn(
        lambda label, number, _: {"name": f"{LABELS[label if number % 10 else number % 3 - 1]}-{number}"}, 200
    )
    assert leaks(wrong) == []


def test_a_rare_label_counts_as_much_as_a_frequent_one() -> None:
    labels = ("ok",) * 19 + ("bad",)
    useful = drawn(lambda label, _, source: {"width": source.gauss(3 if label == 19 else 0, 1)}, 400, labels)
    assert leaks(useful) == []


def test_near_duplicates_count_once() -> None:
    # Ten different images, each with twelve copies: their notes are known by heart, and prove nothing.
    samples = [
        Sample(LabelledImage(Path("x"), f"{n}.jpg", "ab"[n % 2], None, {"note": f"{n % 10} {n}"}), f"{n:064x}", n % 10)
        for n in range(120)
    ]
    assert leaks(samples) == []


def test_words_are_those_of_names_and_addresses() -> None:
    assert {"is", "guinea", "pig"} <= words("isGuineaPig")
    assert {"is", "kind3", "kind", "3", "is_kind3"} <= words("is_kind3")
    assert {"img", "ROSE".casefold(), "17", "png"} <= words("https://x.example/IMG/Rose/17.png")


def test_equally_good_words_have_the_same_order_in_every_process() -> None:
    texts = ["kiwi plum fig lime pear", "oak elm ash fir yew"] * 2
    _, titles = _words(texts, np.array([0, 1, 0, 1]))
    trees = ["ash", "elm", "fir", "oak", "oak elm ash fir yew", "yew"]
    assert [title for title in titles if title in trees] == trees
