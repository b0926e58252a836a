"""Exports a classifier's release as a stand-alone folder: the model, its labels, an example and optionally a container.

The programs in ``template`` are copied unchanged; they need only numpy, Pillow and onnxruntime, and give the same
responses as the service (``tests/larder_training/export_folder/test_export_folder.py``).
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

from larder import classifier
from larder.errors import InvalidModel, InvalidRequest
from larder.release.manifest import Manifest
from larder.release.serving import ClassifierServing
from larder.release.side_columns import width
from larder_training.release.loader import read_classifier

Target = Literal["saved-onnx", "labels.txt", "docker"]
TARGETS: Final[tuple[Target, ...]] = ("saved-onnx", "labels.txt", "docker")

_TEMPLATE: Final = Path(__file__).parent / "template"
_SERVING: Final = Path(classifier.__file__).parent  # of its modules, none is imported: they import Pillow
_READING: Final = ("colour_profiles.py", "heif.py")  # need nothing else of the serving code
_COPIED: Final[dict[Target, tuple[str, ...]]] = {
    "saved-onnx": ("classify.py", "side.py"),
    "labels.txt": (),
    "docker": ("classify.py", "side.py", "serve.py", "Dockerfile"),
}
_NEEDED: Final = ("numpy", "onnxruntime", "pi-heif", "pillow")


def export_folder(release: Path, target: Target, out: Path) -> Path:
    """Exports the release in the folder ``release`` to the folder ``out``, atomically; returns ``out``.

    Every target has ``model.onnx``, ``labels.txt`` (line number = output number), ``preprocessing.json`` and
    ``README.md``. ``saved-onnx`` adds ``classify.py``, ``side.py`` and their pinned ``requirements.txt``; ``docker``
    also a small HTTP server and a ``Dockerfile``. The same release and package versions give the same bytes.

    Raises:
        InvalidRequest: ``release`` is not a classifier's release, a label has line breaks, or ``out`` is not empty.
        InvalidManifest: The release's manifest is invalid.
        InvalidModel: The model file is missing, or does not match the manifest.
    """
    manifest, serving = read_classifier(release, "only classifiers are exported. Name one.")
    model = _model(release, manifest, serving)
    _check_labels(serving)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidRequest(f"{out} exists already: remove it, or give another folder with --out.")
    out.parent.mkdir(parents=True, exist_ok=True)
    written = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        _fill(written, target, manifest, serving, model)
        written.chmod(0o755)  # mkdtemp's 0o700 would also apply in a container
        if out.exists():
            out.rmdir()
        written.rename(out)
    except BaseException:
        shutil.rmtree(written, ignore_errors=True)
        raise
    return out


def _model(release: Path, manifest: Manifest, serving: ClassifierServing) -> bytes:
    """The bytes of the graph, checked against the manifest."""
    try:
        data = (release / serving.file).read_bytes()
    except OSError as error:
        raise InvalidModel(f"{serving.file} is missing from {release.name}. Train it again.") from error
    if hashlib.sha256(data).hexdigest() != manifest.files[serving.file].sha256:
        raise InvalidModel(f"{serving.file} does not match the manifest of {release.name}. Train it again.")
    return data


def _check_labels(serving: ClassifierServing) -> None:
    for label in serving.labels:
        if "\n" in label or "\r" in label:
            raise InvalidRequest(
                f"The label {label!r} has a line break, which labels.txt cannot hold. Rename the label and train again."
            )


def _fill(folder: Path, target: Target, manifest: Manifest, serving: ClassifierServing, model: bytes) -> None:
    preprocessing = {
        **asdict(serving.image),
        "thresholds": serving.thresholds,
        "novelty_threshold": serving.novelty_threshold,
        "side": [asdict(column) for column in serving.side],
        **({"multi_label": True} if serving.multi_label else {}),
        "model": manifest.model,
        "release": manifest.release,
    }
    (folder / "model.onnx").write_bytes(model)
    _write(folder / "labels.txt", "\n".join(serving.labels) + "\n")
    _write(folder / "preprocessing.json", json.dumps(preprocessing, indent=2, ensure_ascii=False) + "\n")
    for name in _COPIED[target]:
        shutil.copyfile(_TEMPLATE / name, folder / name)
    if _COPIED[target]:
        for name in _READING:
            shutil.copyfile(_SERVING / name, folder / name)
        _write(folder / "requirements.txt", "".join(f"{name}=={version(name)}\n" for name in _NEEDED))
    _write(folder / "README.md", _readme(target, manifest, serving))


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())  # write_text would change line ends on some systems


def _readme(target: Target, manifest: Manifest, serving: ClassifierServing) -> str:
    parts = [(_TEMPLATE / "model.md").read_text(encoding="utf-8")]
    if target != "labels.txt":
        parts.append((_TEMPLATE / "example.md").read_text(encoding="utf-8"))
    if target == "docker":
        parts.append((_TEMPLATE / "docker.md").read_text(encoding="utf-8"))
    image = serving.image
    values = {
        "MODEL": manifest.model,
        "RELEASE": manifest.release,
        "COUNT": str(len(serving.labels)),
        "WIDTH": str(image.width),
        "HEIGHT": str(image.height),
        "LABELLING": (
            "Each probability is that of its label alone: an image has every label at or above its threshold, and the "
            "probabilities need not sum to 1."
            if serving.multi_label
            else "The probabilities of an image sum to 1."
        ),
        "SIDE": f"; `side`, float32 `[N, {width(serving.side)}]`, as `side.py` encodes it" if serving.side else "",
    }
    text = "\n".join([*parts, *_backbone_licence(manifest)])
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _backbone_licence(manifest: Manifest) -> list[str]:
    """The section on the licence of the pretrained weights that the model contains; none without such weights."""
    backbone = manifest.training.get("backbone")
    if not isinstance(backbone, Mapping) or "licence" not in backbone:
        return []
    text = (
        f"`model.onnx` contains weights of the backbone `{backbone.get('name')}` ({backbone.get('source')}), licence: "
        f"{backbone['licence']}. They were quantised and may have been cut."
    )
    return [f"## Licence of the pretrained weights\n\n{text}\n"]
