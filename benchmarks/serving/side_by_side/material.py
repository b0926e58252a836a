"""The material of all contenders: a classifier in int8 and float32, a recommender, images, and the lists of users."""

import contextlib
import csv
import json
import os
import random
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import onnx
from onnx import TensorProto, helper, numpy_helper

from larder.release.manifest import Manifest, parse
from larder.release.pointer import Pointer, dump_pointer
from larder.release.serving import ClassifierServing
from larder_local.gateway.event import HttpRequest, encode
from larder_local.gateway.routes import Route
from larder_local.gateway.template import load

_TEMPLATE: Final = Path(__file__).parents[3] / "template.yaml"
USERS: Final = 2000  # sampled from all
IMAGES: Final = 200


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that contenders need, in ``folder``.

    Attributes:
        folder: The folder of the files.
        classifier: The manifest of the classifier.
        recommender: The manifest of the recommender.
        labels: The classifier's labels.
        images: Encoded images.
        best: The best label of the first image.
        int8: The ONNX file in int8.
        float32: The ONNX file in float32.
        naive: The ONNX file in float32 without normalisation.
        scale: The factor of each channel's normalisation.
        offset: The offset of each channel's normalisation.
        responses: The bodies of the responses of Larder's handler, by user.
        users: The users in the order of the requests.
        interactions: The CSV of the recommender's training.
    """

    folder: Path
    classifier: Manifest
    recommender: Manifest
    labels: Sequence[str]
    images: Sequence[bytes]
    best: str
    int8: Path
    float32: Path
    naive: Path
    scale: Sequence[float]
    offset: Sequence[float]
    responses: Mapping[str, bytes]
    users: Sequence[str]
    interactions: Path

    @property
    def best_item(self) -> str:
        """The first item of the first user."""
        document = json.loads(self.responses[self.users[0]])
        return str(document["items"][0]["id"])

    @property
    def lists(self) -> dict[str, object]:
        """The items of each user, as in the JSON."""
        return {user: json.loads(body)["items"] for user, body in self.responses.items()}


def prepare(
    folder: Path, *, classifier: Path, float32: Path, recommender: Path, images: Path, interactions: Path
) -> Material:
    """Reads the release folders of two classifiers and a recommender, and their requests; fills ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    classifier_manifest, recommender_manifest = _manifest(classifier), _manifest(recommender)
    with interactions.open(encoding="utf-8", newline="") as file:
        users = sorted({row["USER_ID"] for row in csv.DictReader(file)})
    paths = random.Random(0).sample(sorted(images.rglob("*.jpg")), IMAGES)  # noqa: S311  not a secret
    encoded = [path.read_bytes() for path in paths]
    scale, offset = _without_normalisation(float32 / "model.onnx", folder / "naive.onnx")
    store = _store(folder / "store", {classifier_manifest.model: classifier, recommender_manifest.model: recommender})
    _environment(store, folder)
    responses = dict(_recommend(recommender_manifest.model, users))
    document = json.loads(_classify(classifier_manifest.model, encoded[0]))
    labels = cast("ClassifierServing", classifier_manifest.serving).labels
    (folder / "labels.txt").write_text("\n".join(labels) + "\n")
    _write_lists(folder, responses)
    return Material(
        folder=folder,
        classifier=classifier_manifest,
        recommender=recommender_manifest,
        labels=labels,
        images=encoded,
        best=document["labels"][0]["name"],
        int8=classifier / "model.onnx",
        float32=float32 / "model.onnx",
        naive=folder / "naive.onnx",
        scale=scale,
        offset=offset,
        responses=responses,
        users=random.Random(0).sample(users, min(USERS, len(users))),  # noqa: S311  not a secret
        interactions=interactions,
    )


def image_event(model: str, image: bytes) -> bytes:
    """The event of API Gateway for an image."""
    route = Route("POST", "/v1/models/{model}/classify", "")
    headers = [("content-type", "image/jpeg"), ("host", "127.0.0.1")]
    return encode(
        HttpRequest("POST", f"/v1/models/{model}/classify", "", headers, image, "127.0.0.1"),
        route,
        {"model": model},
        "id",
    )


def user_event(model: str, user: str) -> bytes:
    """The event of API Gateway for a user's request."""
    route, path = Route("GET", "/v1/models/{model}/recommend", ""), f"/v1/models/{model}/recommend"
    call = HttpRequest("GET", path, f"user={user}", [("host", "127.0.0.1")], b"", "127.0.0.1")
    return encode(call, route, {"model": model}, "id")


def _manifest(release: Path) -> Manifest:
    return parse((release / "manifest.json").read_bytes())


def _store(folder: Path, releases: Mapping[str, Path]) -> Path:
    for model, release in releases.items():
        target = folder / "models" / model / "releases"
        target.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (target / release.name).symlink_to(release.resolve())
        (target.parent / "live.json").write_bytes(dump_pointer(Pointer(release.name)))
    return folder


def _environment(store: Path, folder: Path) -> None:
    own = {"LARDER_STORE": store.resolve().as_uri(), "LARDER_CACHE_DIR": str(folder / "cache")}
    own["LARDER_AUTHORIZATION"] = "NONE"
    os.environ |= {**load(_TEMPLATE).functions["RecommendFunction"].environment, **own}


def _recommend(model: str, users: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    from recommend import app

    for user in users:
        yield user, _body(app.handler, user_event(model, user))


def _classify(model: str, image: bytes) -> bytes:
    from classify import app

    return _body(app.handler, image_event(model, image))


def _body(handler: Any, event: bytes) -> bytes:  # noqa: ANN401  the type of a handler
    with Path(os.devnull).open("w") as log, contextlib.redirect_stdout(log):
        response = handler(json.loads(event), None)
    if response["statusCode"] != 200:
        raise RuntimeError(f"Larder returned {response}: check the releases.")
    return cast("bytes", response["body"].encode())


def _write_lists(folder: Path, responses: Mapping[str, bytes]) -> None:
    """Writes the responses as a SQLite file, and as input of ``redis-cli --pipe``."""
    path = folder / "lists.sqlite"
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE lists (user TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")
        database.executemany("INSERT INTO lists VALUES (?, ?)", responses.items())
    with (folder / "lists.resp").open("wb") as file:
        for user, body in responses.items():
            file.write(_command(b"SET", user.encode(), body))
            for item in json.loads(body)["items"]:
                score, name = repr(item["score"]).encode(), item["id"].encode()
                file.write(_command(b"ZADD", b"best:" + user.encode(), score, name))


def _command(*words: bytes) -> bytes:
    """A command of Redis's protocol."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def _without_normalisation(source: Path, target: Path) -> tuple[list[float], list[float]]:
    """Writes the graph without its normalisation, with the input ``pixels``; returns scale and offset."""
    model = onnx.load(source)
    first = list(islice(model.graph.node, 4))
    if [node.op_type for node in first] != ["Cast", "Transpose", "Mul", "Add"]:
        raise ValueError(f"{source} does not start with a normalisation: adapt this benchmark to it.")
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    scale, offset = (constants[node.input[1]].ravel().tolist() for node in first[2:])
    for node in first:
        model.graph.node.remove(node)
    for node in model.graph.node:
        node.input[:] = ["pixels" if name == first[3].output[0] else name for name in node.input]
    del model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ("N", 3, 224, 224)))
    onnx.save(model, target)
    return scale, offset
