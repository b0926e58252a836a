"""The manifest: the document that makes a folder of files a release.

``parse`` reports all problems at once; ``dump`` is canonical: the same content gives the same bytes. A manifest is
written last, so a release that has one is complete.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Final, Literal, cast

from larder.errors import InvalidManifest, InvalidRequest
from larder.release.json_fields import FieldReader, reject_constant
from larder.release.keys import MANIFEST, check_file, check_model, check_release
from larder.release.serving import ClassifierServing, RecommenderServing, section
from larder.release.serving_reader import read_classifier, read_recommender

FORMAT: Final = 1
MULTI_LABEL_FORMAT: Final = 2  # of classifiers with any number of labels for an image, which format 1 cannot state
USER_DATA_FORMAT: Final = 3  # of recommenders that state what users did or their profiles, which only filters read
CONTENT_FORMAT: Final = 4  # of recommenders that state how new items are placed
FORMATS: Final = (FORMAT, MULTI_LABEL_FORMAT, USER_DATA_FORMAT, CONTENT_FORMAT)
KINDS: Final = ("classifier", "recommender")
MAX_BYTES: Final = 4 * 2**20
PROBES: Final = "probes.safetensors"

Kind = Literal["classifier", "recommender"]
_CREATED = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_EMPTY: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a release.

    Attributes:
        bytes: Its length in bytes.
        sha256: Its SHA-256 in lower-case hex.
    """

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of a release. Serving does not read ``evaluation``, ``training`` and ``structure``.

    Attributes:
        model: The model's name.
        kind: ``classifier`` or ``recommender``.
        release: The release's name.
        created: The date in UTC, ISO 8601 with seconds and Z.
        files: The files by name.
        serving: What serving needs to know.
        evaluation: Metrics with intervals, and how the data were split; a JSON object.
        training: Hyperparameters, fingerprint of the data, versions, seed and seconds; a JSON object.
        structure: Inputs, outputs, operators and parameters; a JSON object.
        format: The version of the format, as ``format_of`` gives it.
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
    """Read a manifest; raises InvalidManifest with every problem."""
    fields = FieldReader(_load(data))
    number = fields.integer("format")
    if number not in FORMATS:
        raise InvalidManifest(
            "This manifest cannot be read.",
            [f"format: this version of Larder reads {FORMATS[0]} to {FORMATS[-1]} only; upgrade it"],
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
        format=number,
    )
    fields.finish()
    if number != format_of(manifest.serving):
        fields.note("format", f"must be {format_of(manifest.serving)} for this serving section")
    fields.problems.extend(
        f"files: {name} is missing, but serving names it"
        for name in _served_files(manifest.serving)
        if name not in manifest.files
    )
    if fields.problems:
        raise InvalidManifest("This manifest is not valid.", fields.problems)
    return manifest


def format_of(serving: ClassifierServing | RecommenderServing) -> int:
    """The format of a manifest with this section: the lowest that states it, so that older versions read what they can.

    A version that reads format 1 only would take the probabilities of several labels for those of one; older versions
    refuse the fields of the tables for filters, and of the content of new items.
    """
    if isinstance(serving, ClassifierServing):
        return MULTI_LABEL_FORMAT if serving.multi_label else FORMAT
    if serving.content is not None:
        return CONTENT_FORMAT
    return USER_DATA_FORMAT if serving.interactions or serving.profiles else FORMAT


def dump(manifest: Manifest) -> bytes:
    """Canonical JSON: sorted keys, indent of two, UTF-8, a final newline. Raises ValueError for NaN."""
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
        return json.loads(data, parse_constant=reject_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidManifest("This manifest cannot be read.", [f"it is not JSON: {error}"]) from error


def _name(fields: FieldReader, name: str) -> str:
    value = fields.text(name)
    try:
        return check_model(value) if name == "model" else check_release(value)
    except InvalidRequest as error:
        fields.note(name, str(error))
        return value


def _read_files(fields: FieldReader) -> dict[str, FileEntry]:
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


def _served_files(serving: ClassifierServing | RecommenderServing) -> tuple[str, ...]:
    return (serving.file,) if isinstance(serving, ClassifierServing) else serving.files
