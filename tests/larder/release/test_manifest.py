"""The format of manifests: canonical bytes, and all problems reported at once."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import InvalidManifest
from larder.release.manifest import MAX_BYTES, Manifest, dump, parse
from larder.release.serving import (
    CategoryColumn,
    ClassifierServing,
    ContentSpec,
    InteractionTable,
    NumberColumn,
    ProfileTables,
    RecommenderServing,
    TableSpec,
    TextColumn,
)

GOLDEN = Path(__file__).parent / "golden"


def changed(manifest: Manifest, path: str, value: object) -> bytes:
    """The manifest's bytes with one field set, or removed if ``value`` is ``...``."""
    document = json.loads(dump(manifest))
    parent: Any = document
    *parents, last = path.split("/")
    for name in parents:
        parent = parent[name]
    if value is ...:
        del parent[last]
    else:
        parent[last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize("kind", ["classifier", "recommender"])
def test_dump_and_parse_are_inverse_and_canonical(kind: str, request: pytest.FixtureRequest) -> None:
    manifest: Manifest = request.getfixturevalue(f"{kind}_manifest")
    assert parse(dump(manifest)) == manifest
    assert dump(parse(dump(manifest))) == dump(manifest)


@pytest.mark.parametrize("kind", ["classifier", "recommender"])
def test_the_bytes_are_the_golden_ones(kind: str, request: pytest.FixtureRequest) -> None:
    # Every version must read old manifests: these files are never regenerated within a format.
    manifest: Manifest = request.getfixturevalue(f"{kind}_manifest")
    golden = (GOLDEN / f"{kind}.json").read_bytes()
    assert dump(manifest) == golden
    assert parse(golden) == manifest


def test_the_order_of_files_does_not_matter(recommender_manifest: Manifest) -> None:
    backwards = replace(recommender_manifest, files=dict(reversed(list(recommender_manifest.files.items()))))
    assert dump(backwards) == dump(recommender_manifest)


BROKEN = [
    ("model", "Pets", "model:"),
    ("model", "../pets", "model:"),
    ("release", "", "release:"),
    ("kind", "oracle", "kind:"),
    ("created", "yesterday", "created:"),
    ("created", ..., "created: is missing"),
    ("files", [], "files: must be an object"),
    ("files/model.onnx/bytes", -1, "files.model.onnx.bytes:"),
    ("files/model.onnx/bytes", 1.5, "files.model.onnx.bytes: must be a whole number"),
    ("files/model.onnx/bytes", True, "files.model.onnx.bytes: must be a whole number"),
    ("files/model.onnx/sha256", "A" * 64, "files.model.onnx.sha256:"),
    ("files/model.onnx/sha256", "a" * 63, "files.model.onnx.sha256:"),
    ("files/..", {"bytes": 1, "sha256": "a" * 64}, "files:"),
    ("files/manifest.json", {"bytes": 1, "sha256": "a" * 64}, "files: a manifest does not list itself"),
    ("serving/file", "other.onnx", "files: other.onnx is missing, but serving names it"),
    ("serving/labels", ["cat", "cat"], "serving.labels:"),
    ("serving/labels", ["cat", 1], "serving.labels: must be a list of texts"),
    ("serving/thresholds", [0.5], "serving.thresholds: has 1 entries for 2 labels"),
    ("serving/thresholds", [0.5, 1.5], "serving.thresholds: entry 1"),
    ("serving/thresholds", [0.5, 10**400], "serving.thresholds: entry 1"),
    ("serving/temperature", 0, "serving.temperature:"),
    ("serving/temperature", 10**400, "serving.temperature:"),
    ("files/model.onnx/bytes", 10**400, "files.model.onnx.bytes:"),
    ("serving/novelty_threshold", -0.1, "serving.novelty_threshold:"),
    ("serving/image", None, "serving.image: must be an object"),
    ("serving/image/width", 0, "serving.image.width:"),
    ("serving/image/fit", "squash", "serving.image.fit:"),
    ("serving/image/background", [0, 0], "serving.image.background:"),
    ("serving/image/blur", 1, "serving.image.blur: is unknown"),
    ("evaluation", 3, "evaluation: must be an object"),
    ("surprise", 3, "surprise: is unknown"),
]


@pytest.mark.parametrize(("path", "value", "problem"), BROKEN, ids=[f"{p}={v!r:.12}" for p, v, _ in BROKEN])
def test_a_broken_field_is_named(classifier_manifest: Manifest, path: str, value: object, problem: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        parse(changed(classifier_manifest, path, value))
    assert any(line.startswith(problem) for line in caught.value.problems), caught.value.problems


BROKEN_RECOMMENDER = [
    ("serving/items", 0, "serving.items:"),
    ("serving/columns/BRAND", "colour", "serving.columns.BRAND:"),
    ("serving/user_slots", 5, "serving.user_slots:"),
    ("serving/users/width", 0, "serving.users.width:"),
    ("serving/segments_by", [["CITY", "SHOE"]], "serving.segments_by.0:"),
    ("serving/segments_by", [[]], "serving.segments_by.0:"),
    ("serving/profile/AGE/edges", [35, 18], "serving.profile.AGE.edges: must be strictly ascending"),
    ("serving/weights/user", -1, "serving.weights.user:"),
    ("serving/weights/luck", 1, "serving.weights.luck: is unknown"),
    ("serving/session_decay", 1.1, "serving.session_decay:"),
    ("serving/session_length", 0, "serving.session_length:"),
    ("serving/neighbours", ..., "serving.neighbours: is missing"),
]


@pytest.mark.parametrize(
    ("path", "value", "problem"), BROKEN_RECOMMENDER, ids=[f"{p}={v!r:.12}" for p, v, _ in BROKEN_RECOMMENDER]
)
def test_a_broken_recommender_field_is_named(
    recommender_manifest: Manifest, path: str, value: object, problem: str
) -> None:
    with pytest.raises(InvalidManifest) as caught:
        parse(changed(recommender_manifest, path, value))
    assert any(line.startswith(problem) for line in caught.value.problems), caught.value.problems


def test_a_recommender_may_have_no_users(recommender_manifest: Manifest) -> None:
    document = json.loads(changed(recommender_manifest, "serving/users", None))
    document["serving"]["user_slots"] = 0
    assert parse(json.dumps(document).encode()).serving.users is None  # type: ignore[union-attr]  # a recommender's


TRANSITIONS = TableSpec("transitions.safetensors", 3, 2, 110)


@pytest.fixture
def manifest_with_transitions(recommender_manifest: Manifest) -> Manifest:
    """A recommender with co-visitation and repeat consumption."""
    serving = recommender_manifest.serving
    assert isinstance(serving, RecommenderServing)
    return replace(
        recommender_manifest,
        files={**recommender_manifest.files, TRANSITIONS.file: recommender_manifest.files["items.safetensors"]},
        serving=replace(
            serving,
            transitions=TRANSITIONS,
            weights={**serving.weights, "transition": 0.25, "revisit": 0.0625},
            transition_decay=0.5,
            revisit_decay=0.75,
        ),
    )


def test_transitions_and_revisits_have_the_golden_bytes(manifest_with_transitions: Manifest) -> None:
    golden = (GOLDEN / "recommender-transitions.json").read_bytes()

    assert dump(manifest_with_transitions) == golden
    assert parse(golden) == manifest_with_transitions


def test_a_manifest_without_transitions_lacks_their_fields(recommender_manifest: Manifest) -> None:
    new = {"transitions", "transition_decay", "revisit_decay"}

    serving = json.loads(dump(recommender_manifest))["serving"]

    assert not new & serving.keys()
    assert serving["weights"].keys() == {"user", "session", "segment"}
    stated = {"transitions": None, "transition_decay": 1.0, "revisit_decay": 1}
    document = json.loads(dump(recommender_manifest))
    document["serving"] |= stated
    assert parse(json.dumps(document).encode()) == recommender_manifest


BROKEN_TRANSITIONS: list[tuple[str, Any, str]] = [
    ("serving/transitions", [], "serving.transitions: must be an object"),
    ("serving/transitions", None, "serving.weights.transition: is above 0, but the release has no table"),
    ("serving/transitions", ..., "serving.weights.transition: is above 0, but the release has no table"),
    ("serving/transitions/width", 0, "serving.transitions.width:"),
    ("serving/transitions/file", "../x", "serving.transitions.file:"),
    ("serving/transitions/file", "other.safetensors", "files: other.safetensors is missing, but serving names it"),
    ("serving/transitions/keys", 1, "serving.transitions.keys: is unknown"),
    ("serving/transition_decay", 1.5, "serving.transition_decay:"),
    ("serving/transition_decay", "1", "serving.transition_decay: must be a number"),
    ("serving/revisit_decay", -0.1, "serving.revisit_decay:"),
    ("serving/weights/transition", -1, "serving.weights.transition:"),
    ("serving/weights/revisit", 10**400, "serving.weights.revisit:"),
    ("serving/weights/revisit", True, "serving.weights.revisit: must be a number"),
]


@pytest.mark.parametrize(
    ("path", "value", "problem"), BROKEN_TRANSITIONS, ids=[f"{p}={v!r:.12}" for p, v, _ in BROKEN_TRANSITIONS]
)
def test_broken_transitions_are_named(
    manifest_with_transitions: Manifest, path: str, value: object, problem: str
) -> None:
    with pytest.raises(InvalidManifest) as caught:
        parse(changed(manifest_with_transitions, path, value))
    assert any(line.startswith(problem) for line in caught.value.problems), caught.value.problems


SIDE: list[dict[str, Any]] = [
    {"name": "place", "type": "category", "values": ["Berlin", "Hamburg"]},
    {"name": "price", "type": "number", "mean": 12.5, "deviation": 3.25},
    {"name": "text", "type": "text", "buckets": 256},
]


@pytest.fixture
def manifest_with_user_data(recommender_manifest: Manifest) -> Manifest:
    """A recommender that states what its users did, and their profiles."""
    serving = recommender_manifest.serving
    assert isinstance(serving, RecommenderServing)
    profiles = ProfileTables(
        TableSpec("user-profiles.safetensors", 5, 1, 264), "profiles.safetensors", 2, {"AGE": "number"}
    )
    interactions = InteractionTable(TableSpec("interactions.safetensors", 6, 4, 256), ("Buy", "view"))
    names = ("interactions", "user-profiles", "profiles")
    entry = recommender_manifest.files["items.safetensors"]
    return replace(
        recommender_manifest,
        files={**recommender_manifest.files, **{f"{name}.safetensors": entry for name in names}},
        serving=replace(serving, interactions=interactions, profiles=profiles),
        format=3,
    )


def test_user_data_are_format_3_and_have_the_golden_bytes(manifest_with_user_data: Manifest) -> None:
    golden = (GOLDEN / "recommender-user-data.json").read_bytes()

    assert dump(manifest_with_user_data) == golden
    assert parse(golden) == manifest_with_user_data
    for path in ("serving/interactions", "serving/profiles"):
        assert parse(changed(manifest_with_user_data, path, ...)).format == 3
    with pytest.raises(InvalidManifest, match="format: must be 3 for this serving section"):
        parse(changed(manifest_with_user_data, "format", 1))


BROKEN_USER_DATA: list[tuple[str, Any, str]] = [
    ("serving/interactions", [], "serving.interactions: must be an object"),
    ("serving/interactions/events", [], "serving.interactions.events: must be 1 to 1000 distinct texts"),
    ("serving/interactions/events", ["a", "a"], "serving.interactions.events: must be 1 to 1000 distinct texts"),
    ("serving/interactions/events", [1], "serving.interactions.events: must be a list of texts"),
    ("serving/interactions/table", ..., "serving.interactions.table: is missing"),
    ("serving/interactions/table/width", 0, "serving.interactions.table.width:"),
    ("serving/interactions/table/file", "../x", "serving.interactions.table.file:"),
    ("serving/interactions/table/file", "x.safetensors", "files: x.safetensors is missing, but serving names it"),
    ("serving/interactions/more", 1, "serving.interactions.more: is unknown"),
    ("serving/profiles", 1, "serving.profiles: must be an object"),
    ("serving/profiles/profiles", 0, "serving.profiles.profiles:"),
    ("serving/profiles/file", "x.safetensors", "files: x.safetensors is missing, but serving names it"),
    ("serving/profiles/columns/AGE", "age", "serving.profiles.columns.AGE: must be one of"),
    ("serving/profiles/users", None, "serving.profiles.users: must be an object"),
]


@pytest.mark.parametrize(
    ("path", "value", "problem"), BROKEN_USER_DATA, ids=[f"{p}={v!r:.12}" for p, v, _ in BROKEN_USER_DATA]
)
def test_broken_user_data_are_named(manifest_with_user_data: Manifest, path: str, value: object, problem: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        parse(changed(manifest_with_user_data, path, value))
    assert any(line.startswith(problem) for line in caught.value.problems), caught.value.problems


@pytest.fixture
def manifest_with_content(recommender_manifest: Manifest) -> Manifest:
    """A recommender that states how new items are placed."""
    serving = recommender_manifest.serving
    assert isinstance(serving, RecommenderServing)
    content = ContentSpec(0.5, 0.75, {"KIND": {"values": 0.5, "words": 0.25}})
    changed_serving = replace(serving, columns={**serving.columns, "KIND": "category"}, content=content)
    return replace(recommender_manifest, serving=changed_serving, format=4)


def test_content_is_format_4_and_optional(manifest_with_content: Manifest) -> None:
    assert parse(dump(manifest_with_content)) == manifest_with_content
    with pytest.raises(InvalidManifest, match="format: must be 1 for this serving section"):
        parse(changed(manifest_with_content, "serving/content", ...))


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("serving/content", [], "serving.content: must be an object"),
        ("serving/content/factor", -1, "serving.content.factor:"),
        ("serving/content/own", ..., "serving.content.own: is missing"),
        ("serving/content/weights/KIND/letters", 1, "serving.content.weights.KIND.letters: is unknown"),
        ("serving/content/weights/KIND/words", "much", "serving.content.weights.KIND.words: must be a number"),
        ("serving/content/weights/OTHER", {"words": 1}, "serving.content.weights.OTHER: is not a column"),
    ],
)
def test_broken_content_is_named(manifest_with_content: Manifest, path: str, value: object, problem: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        parse(changed(manifest_with_content, path, value))
    assert any(line.startswith(problem) for line in caught.value.problems), caught.value.problems


def test_side_information_is_read_and_written_and_optional(classifier_manifest: Manifest) -> None:
    assert "side" not in json.loads(dump(classifier_manifest))["serving"]
    manifest = parse(changed(classifier_manifest, "serving/side", SIDE))
    assert isinstance(manifest.serving, ClassifierServing)
    assert manifest.serving.side == (
        CategoryColumn("place", ("Berlin", "Hamburg")),
        NumberColumn("price", 12.5, 3.25),
        TextColumn("text", 256),
    )
    assert [column.width for column in manifest.serving.side] == [3, 1, 256]
    assert json.loads(dump(manifest))["serving"]["side"] == SIDE
    assert parse(dump(manifest)) == manifest


BROKEN_SIDE: list[tuple[object, str]] = [
    ({}, "serving.side: must be a list"),
    ([], "serving.side: must list 1 to 50 columns"),
    ([SIDE[0], SIDE[0]], "serving.side: must list 1 to 50 columns with distinct names"),
    ([3], "serving.side.0: must be an object"),
    ([{**SIDE[0], "values": ["a", "a"]}], "serving.side.0.values: must be distinct texts"),
    ([{**SIDE[0], "values": [""]}], "serving.side.0.values: must be distinct texts"),
    ([{**SIDE[0], "mean": 1}], "serving.side.0.mean: is unknown"),
    ([{**SIDE[0], "name": ""}], "serving.side.0.name: must not be empty"),
    ([{**SIDE[0], "name": "a\nb"}], "serving.side.0.name: is"),
    ([{**SIDE[0], "type": "colour"}], "serving.side.0.type: is 'colour'"),
    ([SIDE[0], {**SIDE[1], "deviation": 0}], "serving.side.1.deviation:"),
    ([{**SIDE[1], "mean": 10**400}], "serving.side.0.mean:"),
    ([{**SIDE[2], "buckets": 0}], "serving.side.0.buckets:"),
    ([{**SIDE[2], "name": str(n), "buckets": 4000} for n in range(2)], "serving.side: takes more than 4096 numbers"),
]


@pytest.mark.parametrize(("value", "problem"), BROKEN_SIDE, ids=[problem[8:40] for _, problem in BROKEN_SIDE])
def test_broken_side_information_is_named(classifier_manifest: Manifest, value: object, problem: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        parse(changed(classifier_manifest, "serving/side", value))
    assert any(line.startswith(problem) for line in caught.value.problems), caught.value.problems


def test_all_problems_are_reported_at_once(classifier_manifest: Manifest) -> None:
    document = json.loads(dump(classifier_manifest)) | {"model": "A", "created": 1, "more": 2}
    with pytest.raises(InvalidManifest) as caught:
        parse(json.dumps(document).encode())
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["model", "created", "more"]


def test_several_labels_are_format_2_and_no_other_manifest_is(classifier_manifest: Manifest) -> None:
    assert isinstance(classifier_manifest.serving, ClassifierServing)
    several = replace(classifier_manifest, serving=replace(classifier_manifest.serving, multi_label=True), format=2)
    document = json.loads(dump(several))
    assert (document["format"], document["serving"]["multi_label"]) == (2, True)
    assert parse(dump(several)) == several
    for manifest, number in ((several, 1), (classifier_manifest, 2)):
        with pytest.raises(InvalidManifest) as caught:
            parse(changed(manifest, "format", number))
        assert list(caught.value.problems) == [f"format: must be {3 - number} for this serving section"]
    before = json.loads(dump(classifier_manifest))
    assert before["format"] == 1
    assert "multi_label" not in before["serving"]


@pytest.mark.parametrize("format_", [0, 5, "1", None])
def test_another_format_is_refused_before_anything_else(classifier_manifest: Manifest, format_: object) -> None:
    with pytest.raises(InvalidManifest, match="upgrade"):
        parse(changed(classifier_manifest, "format", format_))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": NaN}', b"[" * 100_000])
def test_anything_but_a_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidManifest):
        parse(data)


def test_a_huge_manifest_is_not_parsed() -> None:
    with pytest.raises(InvalidManifest, match="limit"):
        parse(b" " * (MAX_BYTES + 1))


def test_nan_is_never_written(classifier_manifest: Manifest) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump(replace(classifier_manifest, evaluation={"accuracy": float("nan")}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(document=st.dictionaries(st.sampled_from(["format", "model", "kind", "files", "serving", "x"]), JSON))
def test_any_json_is_read_or_refused_with_problems(document: dict[str, object]) -> None:
    with pytest.raises(InvalidManifest) as caught:
        parse(json.dumps({"format": 1} | document).encode())
    assert caught.value.problems
