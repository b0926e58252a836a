"""Side information: which columns are used, whether they help, and that serving agrees with training."""

import base64
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from safetensors.numpy import load_file

from larder.classifier.graph import Classifier
from larder.classifier.image_decoding import decode
from larder.classifier.request import ClassificationRequest
from larder.errors import InvalidRequest
from larder.release.manifest import Manifest, parse
from larder.release.serving import CategoryColumn, ClassifierServing, ImageSpec, NumberColumn, TextColumn
from larder.rollout import golden_requests
from larder.rollout.onnx_checks import check_graph
from larder.store import open_store
from larder_training.classifier import ClassifierOptions
from larder_training.classifier.config.options import SearchLimits
from larder_training.classifier.data.manifests import LabelledImage
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.data.side_columns import encode, encode_training, fit_columns, values_of
from larder_training.classifier.evaluation.evaluate import evaluate
from larder_training.classifier.features import colour
from larder_training.classifier.onnx.graph import session, to_bytes
from larder_training.classifier.train import train
from larder_training.cli.train_classifier import command, parse_side_columns
from larder_training.export_folder import export_folder
from larder_training.release.local_prober import request_sender
from larder_training.reporting.progress import Progress

Draw = Callable[..., NDArray[np.uint8]]
Save = Callable[..., Path]

QUIET = Progress(quiet=True)
TOWNS = {"north": "Oslo", "south": "Rome"}
WORDS = {"north": "snow and fir", "south": "Sun, sand"}


def side_values(number: int, label: str) -> dict[str, str | float]:
    """Side information of one image: it agrees with the label nine times out of ten, and some values are missing."""
    drawn = random.Random(number)
    hint = label if drawn.random() < 0.9 else next(other for other in TOWNS if other != label)
    row: dict[str, str | float] = {"town": TOWNS[hint], "note": f"{WORDS[hint]} {number}"}
    if drawn.random() < 0.8:
        row["degrees"] = round(drawn.gauss(25 if label == "south" else 5, 9), 1)  # the labels overlap
    row["dice"] = drawn.choice("abcdef")
    return row


@pytest.fixture(scope="session")
def side_images(tmp_path_factory: pytest.TempPathFactory, draw: Draw, save: Save) -> Path:
    """A CSV with a town, a note, degrees and a dice for 120 images of one pattern, which do not show the label."""
    root = tmp_path_factory.mktemp("side")
    lines = ["path,label,town,note,degrees,dice"]
    for number in range(120):
        label = ("north", "south")[number % 2]
        save(root / f"{number}.png", draw("stripes", number))
        row = side_values(number, label)
        lines.append(f'{number}.png,{label},{row["town"]},"{row["note"]}",{row.get("degrees", "")},{row["dice"]}')
    (root / "images.csv").write_text("\n".join(lines))
    return root / "images.csv"


@pytest.fixture(scope="session")
def side_options(options: ClassifierOptions, side_images: Path, backbone: Path) -> ClassifierOptions:
    return replace(
        options,
        data=side_images,
        model="side",
        backbone=str(backbone),
        dtype="float32",
        augment="none",
        search=SearchLimits(trials=3, hidden=False),
    )


@pytest.fixture(scope="session")
def side_release(side_options: ClassifierOptions) -> Path:
    return train(side_options)


def manifest(release: Path) -> Manifest:
    return parse((release / "manifest.json").read_bytes())


def serving(release: Path) -> ClassifierServing:
    found = manifest(release).serving
    assert isinstance(found, ClassifierServing)
    return found


# -------------------------------------------------------------------------------------------------------- Columns


def sample(number: int, label: str, **side: str | float) -> Sample:
    return Sample(
        LabelledImage(Path("x"), f"{number}.jpg", label, None, side),
        sha256(bytes([number % 256, number // 256])).hexdigest(),
        number,
    )


def samples(**columns: list[str | float | None]) -> list[Sample]:
    """Samples with the labels a and b in turn, and their values in each column."""
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [
        sample(number, "ab"[number % 2], **{name: value for name, value in row.items() if value is not None})
        for number, row in enumerate(rows)
    ]


def test_types_are_inferred_from_the_training_images_only() -> None:
    training = samples(
        town=["Oslo", "Oslo", "Rome", "Rome", "Paris", "Oslo"],
        price=["1", "2.5", None, "-3", "1e1", "4"],
        note=["one two", "three", "four", "five", "six", None],
        same=["x"] * 6,
        empty=[None] * 6,
    )
    later = sample(9, "a", town="Bern", colour="red")
    columns = {column.name: column for column in fit_columns([*training, later], training, None, QUIET).columns}
    assert columns == {
        "town": CategoryColumn("town", ("Oslo", "Rome")),  # Paris occurs once only
        "price": NumberColumn("price", 2.9, 4.24735211631906),
        "note": TextColumn("note", 256),
    }


def test_columns_and_their_types_can_be_requested() -> None:
    training = samples(code=["1", "2", "1", "2", "2", "1"], town=["x", "y", "y", "x", "x", "y"])
    columns: Any = fit_columns(training, training, {"code": "category"}, QUIET).columns
    assert columns == (CategoryColumn("code", ("1", "2")),)
    assert fit_columns(training, training, {"code": "text"}, QUIET).columns == (TextColumn("code", 256),)
    assert fit_columns(training, training, {}, QUIET).columns == ()
    with pytest.raises(InvalidRequest, match="no column 'place': give --side one of code, town"):
        fit_columns(training, training, {"place": None}, QUIET)
    (column,) = fit_columns(training, training, {"code": "number"}, QUIET).columns
    with pytest.raises(
        InvalidRequest, match=r"7.jpg: code is 'many', not a number. Correct it, or give --side code:category"
    ):
        values_of([column], sample(7, "a", code="many"))


@pytest.mark.parametrize(
    "values",
    [
        ["x", "y"] * 6,  # a copy of the label
        [0, 1] * 6,
        [number % 2 * 100 + number for number in range(12)],  # a line number in a list that is sorted by label
    ],
)
def test_a_column_that_determines_the_label_is_used_only_if_requested(values: list[str | float | None]) -> None:
    training = samples(copy=values)
    found = fit_columns(training, training, None, QUIET)
    assert found.columns == ()
    assert found.left_out == {
        "copy": "it determines the label by itself. If requests will have it too, use --side copy"
    }
    requested = fit_columns(training, training, {"copy": None}, QUIET)
    assert [column.name for column in requested.columns] == ["copy"]
    assert requested.left_out == {}


def test_columns_that_reveal_the_label_together_are_left_out_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    training = [sample(n, "abc"[n % 3], is_a=int(n % 3 == 0), second=int(n % 3 == 1), dice=n % 7) for n in range(60)]
    found = fit_columns(training, training, None, Progress())
    assert [column.name for column in found.columns] == ["dice"]
    assert found.left_out == {
        "is_a": "with second, it reveals the label. If requests will have it too, use --side is_a",
        "second": "with is_a, it reveals the label. If requests will have it too, use --side second",
    }
    assert "Side column is_a is left out: with second, it reveals the label" in caplog.text


def test_the_column_that_states_the_groups_is_not_side_information() -> None:
    training = samples(session=[n // 4 for n in range(24)], dice=[n % 7 for n in range(24)])
    found = fit_columns(training, training, None, QUIET, groups="session")
    assert [column.name for column in found.columns] == ["dice"]
    assert found.left_out == {"session": "it states the groups."}


def test_side_flags_are_parsed() -> None:
    assert parse_side_columns(["town", "price:number", "a:b:text"]) == {"town": None, "price": "number", "a:b": "text"}
    for flags in (["town:colour"], [":text"], ["town", "town:text"], [""]):
        with pytest.raises(InvalidRequest, match="is invalid"):
            parse_side_columns(flags)


def test_training_rows_leave_out_columns_at_random_and_reproducibly() -> None:
    training = samples(town=["Oslo", "Rome"] * 200, price=[float(n % 7) for n in range(400)])
    columns = fit_columns(training, training, {"town": None, "price": None}, QUIET).columns
    rows = encode_training(columns, training, 3, seed=1).reshape(400, 3, -1)
    assert np.array_equal(rows[:, 0], encode(columns, training))
    missing = (rows[:, 1:, -1] == 1).mean()  # the town's last number: unknown
    assert 0.2 < missing < 0.3
    assert np.array_equal(rows.reshape(1200, -1), encode_training(columns, training, 3, seed=1))
    assert (encode_training(columns, training, 1, seed=1)[:, -1] == 1).mean() == pytest.approx(0.25, abs=0.07)
    assert (encode(columns, training, ["town"])[:, -1] == 1).all()


# ---------------------------------------------------------------------------------------------- Colour statistics


def test_colour_statistics_agree_with_numpy(draw: Draw) -> None:
    spec = ImageSpec(70, 65)
    image = np.zeros((2, 65, 70, 3), np.uint8)
    image[0, :, :40] = draw("rings", 3)[:, :40].repeat(2, 0)[:65]
    image[1] = (255, 0, 0)
    (found,) = session(to_bytes(colour.colour_graph(spec))).run(["colour"], {"image": image})
    assert found.shape == (2, colour.COLOUR_WIDTH)
    pixels = image / 255
    assert np.allclose(found[:, :3], pixels.mean(axis=(1, 2)), atol=1e-5)
    assert np.allclose(found[:, 3:6], pixels.std(axis=(1, 2)), atol=1e-3)
    red_green, yellow_blue, intensity = found[1, 6:].reshape(3, 8)
    assert red_green[-1] == pytest.approx(0.5, abs=1e-5)  # 1.0 lies half a bin beyond the last bin's centre
    assert yellow_blue[5:7] == pytest.approx([0.5, 0.5], abs=1e-5)  # 0.75
    assert intensity[2] == pytest.approx(1 - abs(1 / 3 - 2.5 / 8) * 8, abs=1e-5)


# ------------------------------------------------------------------------------------------------------- Trainings


def test_side_information_that_helps_is_used(side_release: Path) -> None:
    found: Any = manifest(side_release)
    assert [column.name for column in serving(side_release).side] == ["degrees", "dice", "note", "town"]
    summary = found.evaluation["beside_the_image"]
    assert summary["kept"].startswith("side information")
    assert summary["accuracy"]["image alone"]["test"] < 0.8  # no better than chance
    assert summary["accuracy"]["side information"]["test"] > 0.8
    assert summary["accuracy_where_missing"]["every column"]["test"] < 0.8
    assert found.evaluation["test"]["accuracy"] > 0.8
    assert found.training["beside_the_image"]["columns"]["degrees"] == "number"
    assert [tensor["name"] for tensor in found.structure["inputs"]] == ["image", "side"]
    check_graph((side_release / "model.onnx").read_bytes(), serving(side_release))
    assert ">Side information</h2>" in (side_release / "report.html").read_text()


def test_useless_side_information_is_left_out_unless_requested(side_options: ClassifierOptions, tmp_path: Path) -> None:
    dice = replace(side_options, side={"dice": None}, out=tmp_path)
    release = train(dice)
    assert serving(release).side == ()
    summary: Any = manifest(release).evaluation["beside_the_image"]
    assert summary["kept"] == "image alone"
    assert summary["why"].startswith("Nothing in addition to the image helps by more than chance")
    kept = train(replace(dice, keep_side=True))
    assert [column.name for column in serving(kept).side] == ["dice"]
    assert serving(kept).side[0].width == 7


def test_the_rollout_reproduces_the_golden_requests(side_release: Path, tmp_path: Path) -> None:
    probes = load_file(side_release / "probes.safetensors")
    offsets, data = probes["request.offsets"], probes["request.bytes"].tobytes()
    documents = [json.loads(data[int(a) : int(b)]) for a, b in pairwise(offsets)]
    assert all(base64.b64decode(document["image"]).startswith(b"\x89PNG") for document in documents)
    assert documents[-1]["side"] == {}
    assert documents[0]["side"]["town"] in TOWNS.values()
    # GIVEN the release in a store, WHEN the rollout probes it, THEN it passes
    place = tmp_path / "models/side/releases" / side_release.name
    place.mkdir(parents=True)
    for path in side_release.iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    store = open_store(f"file://{tmp_path}")
    with request_sender(store) as ask:
        golden_requests.probe(store, ask, manifest(side_release))


def test_serving_agrees_with_training(side_release: Path, side_images: Path) -> None:
    classifier = Classifier(side_release / "model.onnx", serving(side_release))
    image = (side_images.parent / "0.png").read_bytes()
    towns = {
        town: classifier.classify(image, side={"town": town, "note": note}, min_confidence=0).labels[0].name
        for town, note in (("Oslo", "fir, SNOW"), ("Rome", "sand and sun"))
    }
    assert towns == {"Oslo": "north", "Rome": "south"}
    # A batch of decoded images gives the same as one request.
    request = ClassificationRequest.from_json({"image": base64.b64encode(image).decode(), "side": {"degrees": 31}}, {})
    alone = classifier.classify(request.sent or b"", side=request.side, min_confidence=0)
    row = encode(serving(side_release).side, [sample(0, "north", degrees="31")])
    pixels = decode(image, serving(side_release).image)[None]
    best = classifier.run(pixels, row)[0][0].max()
    assert alone.labels[0].confidence == pytest.approx(float(best), abs=1e-5)


def test_an_exported_folder_reads_side_information_as_json(
    side_release: Path, side_images: Path, tmp_path: Path
) -> None:
    folder = export_folder(side_release, "saved-onnx", tmp_path / "out")
    service = Classifier(side_release / "model.onnx", serving(side_release))
    for number in (0, 7, 14):
        image, values = side_images.parent / f"{number}.png", side_values(number, ("south", "north")[number % 2])
        values.pop("dice")  # not a column of the release
        program = [sys.executable, str(folder / "classify.py"), str(image)]
        environment = {**os.environ, "SIDE": json.dumps(values)}
        run = subprocess.run(program, check=True, capture_output=True, env=environment, timeout=60)  # noqa: S603 - the exported program
        expected = service.classify(image.read_bytes(), side=values)
        labels = [{"name": label.name, "confidence": label.confidence} for label in expected.labels]
        assert json.loads(run.stdout) == {"file": str(image), "labels": labels, "unknown": expected.unknown}
    assert "`side`, float32" in (folder / "README.md").read_text()


def test_evaluate_uses_the_columns_of_a_manifest_if_there_are_any(side_release: Path, side_images: Path) -> None:
    measured: Any = evaluate(side_release, side_images)
    assert measured["accuracy"] > 0.85
    assert measured["side"]["town"] == 1.0
    assert 0.6 < measured["side"]["degrees"] < 0.95
    bare = side_images.parent / "bare.csv"
    bare.write_text("\n".join(",".join(line.split(",")[:2]) for line in side_images.read_text().splitlines()))
    without: Any = evaluate(side_release, bare)
    assert without["side"] == {"degrees": 0, "dice": 0, "note": 0, "town": 0}
    assert without["accuracy"] < measured["accuracy"]


def test_the_same_training_with_side_information_writes_the_same_bytes(
    side_options: ClassifierOptions, side_release: Path, tmp_path: Path
) -> None:
    again = train(replace(side_options, out=tmp_path, cache=None))
    assert again.name == side_release.name


def test_colour_statistics_are_part_of_the_graph(
    options: ClassifierOptions, backbone: Path, images_by_colour: Path, tmp_path: Path
) -> None:
    chosen = replace(
        options,
        data=images_by_colour,
        backbone=str(backbone),
        colour_statistics=True,
        augment="none",
        max_loss=1.0,
        search=SearchLimits(trials=3, hidden=False),
        out=tmp_path,
    )
    release = train(chosen)
    found: Any = manifest(release)
    assert serving(release).side == ()  # a request needs only the image
    assert [tensor["name"] for tensor in found.structure["inputs"]] == ["image"]
    accuracy = found.evaluation["beside_the_image"]["accuracy"]
    assert set(accuracy) == {"image alone", "colour statistics", "colour statistics, emphasised"}
    assert found.evaluation["quantisation"]["dtype"] == "int8"
    kept = train(replace(chosen, keep_side=True))
    assert manifest(kept).evaluation["beside_the_image"]["kept"].startswith("colour statistics")  # type: ignore[index]  # JSON
    assert evaluate(kept, images_by_colour)["accuracy"] > 0.9  # type: ignore[operator]  # JSON
    with pytest.raises(InvalidRequest, match="built-in features contain colour statistics"):
        replace(chosen, backbone="none")


@pytest.fixture(scope="session")
def images_by_colour(tmp_path_factory: pytest.TempPathFactory, draw: Draw, save: Save) -> Path:
    """Two classes of one pattern that differ in colour only."""
    root = tmp_path_factory.mktemp("colours")
    for label, light in (("warm", (1.0, 0.85, 0.7)), ("cold", (0.7, 0.85, 1.0))):
        for number in range(24):
            grey = draw("rings", number + (100 if label == "warm" else 0)).mean(axis=2, keepdims=True)
            pixels = grey * np.array(light)
            save(root / label / f"{number}.png", pixels.astype(np.uint8))
    return root


def test_the_command_accepts_columns_and_refuses_invalid_ones(side_images: Path, tmp_path: Path) -> None:
    arguments = [str(side_images), "--model", "side", "--out", str(tmp_path), "--augment", "none", "--trials", "1"]
    result = CliRunner().invoke(command, [*arguments, "--side", "town:category", "--no-hidden"])
    assert result.exit_code == 0, result.output
    (column,) = serving(next(path for path in tmp_path.iterdir() if path.is_dir())).side
    assert column == CategoryColumn("town", ("Oslo", "Rome"))
    for flags, message in ((["--side", "place"], "no column 'place'"), (["--side", "town:x"], "is invalid")):
        refused = CliRunner().invoke(command, [*arguments, *flags])
        assert refused.exit_code != 0
        assert message in refused.output
