"""Writes a release folder, completely or not at all, named by time and content."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Final

from larder.release.keys import MANIFEST
from larder.release.manifest import FileEntry, Kind, Manifest, dump, format_of, parse
from larder.release.serving import ClassifierServing, RecommenderServing, section

REPORT: Final = "report.html"
Content = Path | bytes | Callable[[Manifest], bytes]  # of a file of a release
_PACKAGES: Final = (
    "implicit",
    "larder",
    "lightgbm",
    "numpy",
    "onnx",
    "onnxruntime",
    "pi-heif",
    "pillow",
    "polars",
    "safetensors",
    "scikit-learn",
    "scipy",
)


def provenance(seed: int, command: str | None = None, warnings: Sequence[str] = ()) -> dict[str, object]:
    """How a training was started, what it warned of, and the seed and versions, with which it gives the same bytes."""
    return {
        "seed": seed,
        "versions": {"python": python_version(), **{name: version(name) for name in _PACKAGES}},
        **({"command": command} if command else {}),
        **({"warnings": list(warnings)} if warnings else {}),
    }


def write_release(
    parent: Path,
    *,
    model: str,
    kind: Kind,
    serving: ClassifierServing | RecommenderServing,
    files: Mapping[str, Content],
    evaluation: Mapping[str, object],
    training: Mapping[str, object],
    structure: Mapping[str, object],
    created: datetime | None = None,
) -> Path:
    """Writes ``<parent>/<release>/`` with ``files`` (a path is copied) and the manifest, and returns that folder.

    A temporary folder next to it is renamed when it is complete. A release of the same content and second is kept.
    A file can be a function of the manifest, which lists all other files: a report that states the release's name, so
    the name does not depend on it.

    Raises:
        InvalidManifest: The sections do not make a valid manifest.
    """
    created = (created or datetime.now(UTC)).astimezone(UTC)
    parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".writing-", dir=parent))
    try:
        known = {name: content for name, content in sorted(files.items()) if isinstance(content, Path | bytes)}
        entries = {name: _write(scratch / name, content) for name, content in known.items()}
        manifest = Manifest(
            model=model,
            kind=kind,
            release=_name(created, entries, serving),
            created=f"{created:%Y-%m-%dT%H:%M:%SZ}",
            files=entries,
            serving=serving,
            evaluation=evaluation,
            training=training,
            structure=structure,
            format=format_of(serving),
        )
        made = {name: make(manifest) for name, make in files.items() if not isinstance(make, Path | bytes)}
        entries |= {name: _write(scratch / name, content) for name, content in made.items()}
        manifest = replace(manifest, files=entries)
        document = dump(manifest)
        parse(document)
        (scratch / MANIFEST).write_bytes(document)
        folder = parent / manifest.release
        if folder.exists():  # the same second and content
            shutil.rmtree(scratch)
            return folder
        scratch.chmod(0o755)
        return scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch)
        raise


def _write(path: Path, content: Path | bytes) -> FileEntry:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        shutil.copyfile(content, path)
    with path.open("rb") as file:
        return FileEntry(path.stat().st_size, file_digest(file, "sha256").hexdigest())


def _name(created: datetime, entries: Mapping[str, FileEntry], serving: ClassifierServing | RecommenderServing) -> str:
    content = {"files": {name: entry.sha256 for name, entry in entries.items()}, "serving": section(serving)}
    digest = sha256(json.dumps(content, sort_keys=True).encode())
    return f"{created:%Y%m%dt%H%M%Sz}-{digest.hexdigest()[:8]}"
