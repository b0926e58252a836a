"""One running service for the contract tests: unmodified clients of other services call it over HTTP.

``colours`` is a classifier with two releases (red, green and blue), ``shop`` the toy recommender, also with two.
``draft`` has no live release, ``broken`` is damaged, and the live release of ``lost`` does not exist.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image
from tests.larder_local.conftest import Answer, Served, running
from tests.toys.digits import SERVING, make_graph
from tests.toys.shop import EGG, FIG, TOY

from larder.auth.scopes import parse_scope
from larder.release.keys import file_key, pointer_key
from larder.release.pointer import Pointer, dump_pointer
from larder_local.keys.issue import new_key
from larder_local.keys.key_store import KeyStore
from larder_training.release.writer import write_release

REGION: Final = "eu-west-1"
# Keys by what they are for: scopes, and how they differ from one that signs and lasts.
KEYS: Final[Mapping[str, tuple[Sequence[str], Mapping[str, Any]]]] = {
    "classify colours": (["classify:colours"], {}),
    "read colours": (["models:read:colours"], {}),
    "recommend shop": (["recommend:shop"], {}),
    "default draft": (["classify:*"], {"default_model": "draft"}),
    "expired": (["admin"], {"expires": 1}),
    "read gifts": (["models:read:gifts"], {}),
    "recommend once": (["recommend:shop"], {"rate": 0.001, "burst": 1}),
    "one request": (["admin"], {"rate": 0.001, "burst": 1}),
    "not for signing": (["admin"], {"signs": False}),
}
# As a training writes it: the mean of each metric, and more. Without users to test on, metrics are empty.
EVALUATION: Final[Mapping[str, object]] = {
    "metrics": {
        **{f"ndcg@{k}": {"mean": 0.6241, "interval": [0.6, 0.7]} for k in (5, 10, 20, 25)},
        **{f"precision@{k}": {"mean": 0.4, "interval": [0.3, 0.5]} for k in (5, 10, 20, 25)},
        "recall@20": {"mean": 0.9, "interval": [0.8, 1.0]},
        "mrr@25": {"mean": 0.5, "interval": [0.4, 0.6]},
    },
    "coverage": {"larder": 0.75, "popularity": 0.1},
}
# What the user ada did: bought a fig and saw an egg. Their age is 40.
SHOP: Final = replace(TOY, events={"ada": [(FIG, 1), (EGG, 0)]}, profiles={"ada": {"AGE": 40.0, "CITY": "Rome"}})
METRICS: Final = b'{"AggregatedEvaluationResults": {"F1Score": 0.9}}\n'


@dataclass(frozen=True)
class Endpoint:
    """A running service.

    Attributes:
        url: Its address.
        access_key: The id of a key that may do everything, and that can sign.
        secret_key: Its secret.
        store: The folder of the store.
        keys: The id and the secret of each key of ``KEYS``.
    """

    url: str
    access_key: str
    secret_key: str
    store: Path
    keys: Mapping[str, tuple[str, str]]

    def with_key(self, name: str) -> "Endpoint":
        """The same service for the holder of a key of ``KEYS``."""
        access_key, secret_key = self.keys[name]
        return replace(self, access_key=access_key, secret_key=secret_key)

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a client of AWS finds its credentials."""
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED")
        return dict(zip(names, (self.access_key, self.secret_key, REGION, "true"), strict=True))

    @property
    def key(self) -> str:
        """The key as one text, for protocols that send it so."""
        return f"{self.access_key}.{self.secret_key}"

    def add_key(self, *scopes: str, **fields: Any) -> str:  # noqa: ANN401  # any field
        """Adds a key with these scopes and the other arguments of ``new_key``; returns it as one text."""
        key, secret = new_key([parse_scope(scope) for scope in scopes], now=int(time.time()), **fields)
        KeyStore.open(self.store.as_uri()).add(key)
        time.sleep(1.1)  # functions look for an unknown key at most once a second
        return f"{key.id}.{secret}"

    def call(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One plain request with the key."""
        key = {"x-api-key": self.key}
        return Served(int(self.url.rpartition(":")[2]), Path()).call(method, path, body, {**key, **(headers or {})})


def make_image(colour: tuple[int, int, int], kind: str = "PNG") -> bytes:
    """A plain image."""
    file = BytesIO()
    Image.new("RGB", (32, 24), colour).save(file, kind)
    return file.getvalue()


RED: Final = make_image((200, 30, 20), "JPEG")
BLUE: Final = make_image((20, 30, 200))


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The service with its toy models. ``colours`` answers protocols that name no model."""
    home = tmp_path_factory.mktemp("compat")
    store = home / ".larder/store"
    fill(store, tmp_path_factory.mktemp("tables"))
    keys = {name: add_key(store, scopes, options) for name, (scopes, options) in KEYS.items()}
    with running(home, "--no-demo", "--workers", "1", LARDER_DEFAULT_CLASSIFIER="colours") as up:
        assert up.key is not None, "larder up has made a key"
        access_key, _, secret_key = up.key.partition(".")
        yield Endpoint(up.address, access_key, secret_key, store, keys)


def fill(store: Path, tables: Path) -> None:
    """Writes the models and two stored images."""
    for day, f1 in ((1, 0.8), (2, 0.9)):
        release = add_classifier(store, "colours", datetime(2026, 1, day, tzinfo=UTC), f1)
        (store / pointer_key("colours")).write_bytes(dump_pointer(Pointer(release)))
    add_classifier(store, "draft", datetime(2026, 1, 1, tzinfo=UTC), 0.5)
    broken = add_classifier(store, "broken", datetime(2026, 1, 1, tzinfo=UTC), 0.5)
    (store / pointer_key("broken")).write_bytes(dump_pointer(Pointer(broken)))
    (store / file_key("broken", broken, "model.onnx")).write_bytes(b"cut")
    for day in (3, 4):
        release = add_shop(store, tables, datetime(2026, 1, day, tzinfo=UTC))
        (store / pointer_key("shop")).write_bytes(dump_pointer(Pointer(release)))
    (store / pointer_key("lost")).parent.mkdir()
    (store / pointer_key("lost")).write_bytes(dump_pointer(Pointer("20260101t000000z-00000000")))
    (store / "uploads").mkdir()
    (store / "uploads/red.jpg").write_bytes(RED)
    (store / "uploads/note.txt").write_bytes(b"no image")


def add_classifier(store: Path, model: str, created: datetime, f1: float) -> str:
    """Writes a release of the toy classifier of red, green and blue; returns its name."""
    folder = write_release(
        store / f"models/{model}/releases",
        model=model,
        kind="classifier",
        serving=SERVING,
        files={"model.onnx": make_graph(), "metrics.json": METRICS},
        evaluation={"split": "by class", "test": {"accuracy": f1, "macro_f1": f1}},
        training={},
        structure={},
        created=created,
    )
    return folder.name


def add_key(store: Path, scopes: Sequence[str], options: Mapping[str, Any]) -> tuple[str, str]:
    """Adds a key to the store; returns its id and its secret."""
    signs = {"signs": True, **options}
    key, secret = new_key([parse_scope(scope) for scope in scopes], now=int(time.time()), **signs)
    KeyStore.open(store.as_uri()).add(key)
    return key.id, secret


def add_shop(store: Path, tables: Path, created: datetime, model: str = "shop") -> str:
    """Writes a release of the toy recommender; returns its name."""
    serving = SHOP.write(tables)
    folder = write_release(
        store / f"models/{model}/releases",
        model=model,
        kind="recommender",
        serving=serving,
        files={path.name: path for path in tables.iterdir()},
        evaluation=EVALUATION,
        training={},
        structure={},
        created=created,
    )
    return folder.name
