"""Backbones that users register under a name of their own: ``larder backbone add``."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from larder.errors import InvalidRequest
from larder_training.classifier.backbones.download import cache_folder, new_file, sha256_of
from larder_training.classifier.backbones.zoo import BUILT_IN, CATALOGUE
from larder_training.classifier.config.preprocessing import Preprocessing, read_spec

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MODEL: Final = "backbone.onnx"
_SPEC: Final = "backbone.json"  # the preprocessing, in the form of --backbone-spec
_ORIGIN: Final = "origin.json"  # the description for the manifest


@dataclass(frozen=True, slots=True)
class RegisteredBackbone:
    """A backbone that a user registered.

    Attributes:
        name: What ``--backbone`` takes.
        path: The ONNX file.
        description: Its origin and digest, for the manifest.
        preprocessing: Its preprocessing, as far as it is known.
    """

    name: str
    path: Path
    description: Mapping[str, Any]
    preprocessing: Preprocessing


def _folder() -> Path:
    return cache_folder() / "registered"


def check_name(name: str) -> None:
    """Raises InvalidRequest if a backbone cannot be registered under this name."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"The name {name!r} is invalid: give a-z, 0-9, '.', '_' and '-', at most 64 of them.")
    if name in CATALOGUE or name == BUILT_IN:
        raise InvalidRequest(f"The name {name!r} is taken by larder backbones. Give another with --name.")


def register(name: str, model: Path, preprocessing: Preprocessing, origin: Mapping[str, object]) -> RegisteredBackbone:
    """Copies an ONNX file into the cache under a name; a backbone of this name is replaced.

    Args:
        name: The name.
        model: The ONNX file; it holds all its weights.
        preprocessing: Its preprocessing, as far as it is known.
        origin: Where it comes from, for the manifest.

    Raises:
        InvalidRequest: The name is invalid or taken, or the cache cannot be written to.
    """
    check_name(name)
    folder = _folder() / name
    description = {"name": name, **origin, "sha256": sha256_of(model)}
    known = {key: value for key, value in asdict(preprocessing).items() if value is not None}
    with new_file(folder / _MODEL) as scratch:
        shutil.copyfile(model, scratch)
    for file, values in ((_SPEC, known), (_ORIGIN, description)):
        with new_file(folder / file) as scratch:
            scratch.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return RegisteredBackbone(name, folder / _MODEL, description, preprocessing)


def find(name: str) -> RegisteredBackbone | None:
    """The backbone that is registered under a name, or None.

    Raises:
        InvalidRequest: Its files were changed or damaged.
    """
    folder = _folder() / name
    if not _NAME.fullmatch(name) or not (folder / _ORIGIN).is_file():
        return None
    try:
        description = json.loads((folder / _ORIGIN).read_bytes())
        actual = sha256_of(folder / _MODEL)
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"The backbone {name!r} is damaged: {error}. Add it again.") from error
    if actual != description.get("sha256"):
        raise InvalidRequest(f"The backbone {name!r} was changed since it was added. Add it again.")
    return RegisteredBackbone(name, folder / _MODEL, description, read_spec(folder / _SPEC))


def names() -> list[str]:
    """The names of all registered backbones, in order; their files are not read."""
    return sorted(path.parent.name for path in _folder().glob(f"*/{_ORIGIN}"))


def remove(name: str) -> None:
    """Removes a registered backbone; trainings from it are not affected.

    Raises:
        InvalidRequest: None is registered under this name.
    """
    if not _NAME.fullmatch(name) or not (_folder() / name).is_dir():
        raise InvalidRequest(f"No backbone is registered as {name!r}. Registered: {', '.join(names()) or 'none'}.")
    shutil.rmtree(_folder() / name)
