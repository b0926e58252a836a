"""The manifest: the one document that makes a folder of files a release.

``parse`` accepts exactly this format and reports every problem at once; ``dump`` is canonical: the same content gives
the same bytes. A manifest is written last, so where it stands, the release is whole.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Final, Literal, cast

from larder.errors import InvalidManifest, InvalidRequest
from larder.release.json_fields import Fields
from larder.release.keys import MANIFEST, check_file, check_model, check_release
from larder.release.serving import ClassifierServing, RecommenderServing, section
from larder.release.serving_reader import read_classifier, read_recommender

FORMAT: Final = 1
KINDS: Final = ("classifier", "recommender")
MAX_BYTES: Final = 4 * 2**20
PROBES: Final = "probes.safetensors"

Kind = Literal["classifier", "recommender"]
_CREATED = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_EMPTY: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a release: its length in bytes and its SHA-256 in lower-case hex."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A release, described. ``created`` is UTC, ISO 8601 with seconds and Z.

    ``evaluation`` (metrics with intervals and how the split was made), ``training`` (hyperparameters, data
    fingerprint, versions, seed, seconds) and ``structure`` (inputs, outputs, operators, parameters) are JSON objects
    for people and the models API; serving never reads them.
    """

    model: str
    kind: Kind
    release: str
    created: str
    files: Mapping[str, FileEntry]
    serving: ClassifierServing | RecommenderServing
    evaluation: Mapping[str, object] = field(default_factory=lambda: _EMPTY)
    training: Mapping[str, object] = field(default_factory=lambda: _EMPTY)
    structure: Mapping[str, object] = field(default_factory=lambda: _EMPTY)
    format: int = FORMAT


def parse(data: bytes) -> Manifest:
    """Reads a manifest; raises InvalidManifest, whose ``problems`` name every field that is wrong."""
    fields = Fields(_load(data))
    if fields.integer("format") != FORMAT:
        raise InvalidManifest(
            "This manifest cannot be read.", [f"format: this version of Larder reads {FORMAT} only; upgrade it"]
        )
    kind = cast("Kind", fields.choice("kind", KINDS))
    serving = fields.child("serving")
    manifest = Manifest(
        model=_name(fields, "model"),
        kind=kind,
        release=_name(fields, "release"),
        created=fields.text("created", _CREATED),
        files=_read_files(fields),
        serving=read_classifier(serving) if kind == "classifier" else read_recommender(serving),
        evaluation=fields.mapping("evaluation"),
        training=fields.mapping("training"),
        structure=fields.mapping("structure"),
    )
    fields.finish()
    fields.problems.extend(
        f"files: {name} is missing, but serving names it"
        for name in _named(manifest.serving)
        if name not in manifest.files
    )
    if fields.problems:
        raise InvalidManifest("This manifest is not valid.", fields.problems)
    return manifest


def dump(manifest: Manifest) -> bytes:
    """Canonical bytes: sorted keys, two spaces, UTF-8, a newline at the end. NaN is refused with ValueError."""
    document = {name: getattr(manifest, name) for name in Manifest.__slots__}
    document["files"] = {name: asdict(entry) for name, entry in manifest.files.items()}
    document["serving"] = section(manifest.serving)
    for name in ("evaluation", "training", "structure"):
        document[name] = dict(document[name])
    return (json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _load(data: bytes) -> object:
    if len(data) > MAX_BYTES:
        raise InvalidManifest("This manifest cannot be read.", [f"it has {len(data)} bytes; the limit is {MAX_BYTES}"])
    try:
        return json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidManifest("This manifest cannot be read.", [f"it is not JSON: {error}"]) from error


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def _name(fields: Fields, name: str) -> str:
    value = fields.text(name)
    try:
        return check_model(value) if name == "model" else check_release(value)
    except InvalidRequest as error:
        fields.note(name, str(error))
        return value


def _read_files(fields: Fields) -> dict[str, FileEntry]:
    files = {}
    for name, entry in fields.children("files").items():
        try:
            check_file(name)
        except InvalidRequest as error:
            fields.note("files", str(error))
        if name == MANIFEST:
            fields.note("files", "a manifest does not list itself")
        files[name] = FileEntry(entry.integer("bytes", 0, 2**40), entry.text("sha256", "[0-9a-f]{64}"))
        entry.finish()
    return files


def _named(serving: ClassifierServing | RecommenderServing) -> tuple[str, ...]:
    return (serving.file,) if isinstance(serving, ClassifierServing) else serving.files
