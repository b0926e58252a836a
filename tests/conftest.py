"""What all tests share: hypothesis's settings, and a complete, valid manifest of each kind."""

import pytest
from hypothesis import HealthCheck, settings
from larder.manifest import FileEntry, Manifest
from larder.serving import ClassifierServing, ImageSpec, ProfileColumn, RecommenderServing, TableSpec

# The same examples on every machine, and no verdict by the clock: a slow machine is no bug.
settings.register_profile(
    "larder", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("larder")

ENTRY = FileEntry(3, "a" * 64)


@pytest.fixture
def classifier_manifest() -> Manifest:
    serving = ClassifierServing("model.onnx", ImageSpec(64, 48), ("cat", "dog"), (0.5, 0.25), 1.5, 0.9)
    files = {"model.onnx": ENTRY}
    return Manifest("pets", "classifier", "20260102t030405z-0a1b2c3d", "2026-01-02T03:04:05Z", files, serving)


@pytest.fixture
def recommender_manifest() -> Manifest:
    serving = RecommenderServing(
        items_file="items.safetensors",
        items=3,
        columns={"BRAND": "category", "PRICE": "number"},
        neighbours=TableSpec("neighbours.safetensors", 3, 2, 100),
        users=TableSpec("users.safetensors", 5, 4, 200),
        user_slots=3,
        segments=TableSpec("segments.safetensors", 2, 3, 150),
        segments_by=(("CITY", "AGE"), ("CITY",)),
        profile={"CITY": ProfileColumn("category"), "AGE": ProfileColumn("number", (18.0, 35.0))},
        weights={"user": 1.0, "session": 0.5, "segment": 0.125},
        session_decay=0.75,
        session_length=10,
    )
    names = ("items", "neighbours", "users", "segments")
    files = {f"{name}.safetensors": ENTRY for name in names}
    return Manifest("shop", "recommender", "20260102t030405z-0a1b2c3d", "2026-01-02T03:04:05Z", files, serving)
