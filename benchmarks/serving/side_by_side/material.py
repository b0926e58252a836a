"""What all are given: one classifier in int8 and in float32, one recommender, photos, and every user's list."""

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
USERS: Final = 2000  # who ask, drawn from all
PHOTOS: Final = 200


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that a contender may need, under ``folder``.

    ``answers`` are the bodies that Larder's own handler gives, by user; ``asking`` the users in the order in which they
    ask. ``scale`` and ``offset`` are a channel's normalisation, which the graph at ``naive`` does not do itself.
    """

    folder: Path
    classifier: Manifest
    recommender: Manifest
    labels: Sequence[str]
    photos: Sequence[bytes]
    best: str
    int8: Path
    float32: Path
    naive: Path
    scale: Sequence[float]
    offset: Sequence[float]
    answers: Mapping[str, bytes]
    asking: Sequence[str]
    interactions: Path

    @property
    def best_item(self) -> str:
        """The first item of the first user who asks."""
        document = json.loads(self.answers[self.asking[0]])
        return str(document["items"][0]["id"])

    @property
    def lists(self) -> dict[str, object]:
        """The items of every user, as JSON has them."""
        return {user: json.loads(body)["items"] for user, body in self.answers.items()}


def prepare(
    folder: Path, *, classifier: Path, float32: Path, recommender: Path, photos: Path, interactions: Path
) -> Material:
    """Reads the release folders of two classifiers and a recommender, and what they are asked; fills ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    labelled, listed = _manifest(classifier), _manifest(recommender)
    with interactions.open(encoding="utf-8", newline="") as file:
        users = sorted({row["USER_ID"] for row in csv.DictReader(file)})
    paths = random.Random(0).sample(sorted(photos.rglob("*.jpg")), PHOTOS)  # noqa: S311  a sample, no secret
    pictures = [path.read_bytes() for path in paths]
    scale, offset = _without_normalisation(float32 / "model.onnx", folder / "naive.onnx")
    store = _store(folder / "store", {labelled.model: classifier, listed.model: recommender})
    _environment(store, folder)
    answers = dict(_answers(listed.model, users))
    document = json.loads(_classified(labelled.model, pictures[0]))
    labels = cast("ClassifierServing", labelled.serving).labels
    (folder / "labels.txt").write_text("\n".join(labels) + "\n")
    _write_lists(folder, answers)
    return Material(
        folder=folder,
        classifier=labelled,
        recommender=listed,
        labels=labels,
        photos=pictures,
        best=document["labels"][0]["name"],
        int8=classifier / "model.onnx",
        float32=float32 / "model.onnx",
        naive=folder / "naive.onnx",
        scale=scale,
        offset=offset,
        answers=answers,
        asking=random.Random(0).sample(users, min(USERS, len(users))),  # noqa: S311  a sample, no secret
        interactions=interactions,
    )


def photo_event(model: str, photo: bytes) -> bytes:
    """The event that API Gateway makes of a photo."""
    route = Route("POST", "/v1/models/{model}/classify", "")
    headers = [("content-type", "image/jpeg"), ("host", "127.0.0.1")]
    return encode(
        HttpRequest("POST", f"/v1/models/{model}/classify", "", headers, photo, "127.0.0.1"),
        route,
        {"model": model},
        "id",
    )


def user_event(model: str, user: str) -> bytes:
    """The event that API Gateway makes of a user's request."""
    route, path = Route("GET", "/v1/models/{model}/recommend", ""), f"/v1/models/{model}/recommend"
    call = HttpRequest("GET", path, f"user={user}", [("host", "127.0.0.1")], b"", "127.0.0.1")
    return encode(call, route, {"model": model}, "id")


def _manifest(release: Path) -> Manifest:
    return parse((release / "manifest.json").read_bytes())


def _store(folder: Path, releases: Mapping[str, Path]) -> Path:
    for model, release in releases.items():
        place = folder / "models" / model / "releases"
        place.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (place / release.name).symlink_to(release.resolve())
        (place.parent / "live.json").write_bytes(dump_pointer(Pointer(release.name)))
    return folder


def _environment(store: Path, folder: Path) -> None:
    places = {"LARDER_STORE": store.resolve().as_uri(), "LARDER_CACHE_DIR": str(folder / "cache")}
    os.environ |= {**load(_TEMPLATE).functions["RecommendFunction"].environment, **places}


def _answers(model: str, users: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    from recommend import app

    for user in users:
        yield user, _body(app.handler, user_event(model, user))


def _classified(model: str, photo: bytes) -> bytes:
    from classify import app

    return _body(app.handler, photo_event(model, photo))


def _body(handler: Any, event: bytes) -> bytes:  # noqa: ANN401  the handlers' own type is no wider
    with Path(os.devnull).open("w") as log, contextlib.redirect_stdout(log):
        answer = handler(json.loads(event), None)
    if answer["statusCode"] != 200:
        raise RuntimeError(f"Larder itself answers {answer}: look at the releases.")
    return cast("bytes", answer["body"].encode())


def _write_lists(folder: Path, answers: Mapping[str, bytes]) -> None:
    """The answers as a SQLite file, and as what ``redis-cli --pipe`` takes."""
    place = folder / "lists.sqlite"
    place.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(place)) as database, database:
        database.execute("CREATE TABLE lists (user TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")
        database.executemany("INSERT INTO lists VALUES (?, ?)", answers.items())
    with (folder / "lists.resp").open("wb") as file:
        for user, body in answers.items():
            file.write(_command(b"SET", user.encode(), body))
            for item in json.loads(body)["items"]:
                score, name = repr(item["score"]).encode(), item["id"].encode()
                file.write(_command(b"ZADD", b"best:" + user.encode(), score, name))


def _command(*words: bytes) -> bytes:
    """A command of Redis's protocol."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def _without_normalisation(source: Path, target: Path) -> tuple[list[float], list[float]]:
    """Writes the graph without its first nodes, its input being ``pixels``; gives what Mul and Add hold."""
    model = onnx.load(source)
    first = list(islice(model.graph.node, 4))
    if [node.op_type for node in first] != ["Cast", "Transpose", "Mul", "Add"]:
        raise ValueError(f"{source} does not begin by normalising: adapt this benchmark to it.")
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    scale, offset = (held[node.input[1]].ravel().tolist() for node in first[2:])
    for node in first:
        model.graph.node.remove(node)
    for node in model.graph.node:
        node.input[:] = ["pixels" if name == first[3].output[0] else name for name in node.input]
    del model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ("N", 3, 224, 224)))
    onnx.save(model, target)
    return scale, offset
