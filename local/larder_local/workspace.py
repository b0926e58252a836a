"""The folder ``.larder``: everything that Larder keeps on a developer's machine."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from larder.errors import InvalidManifest, InvalidRequest, SettingsError
from larder.release.keys import MANIFEST
from larder.release.manifest import Manifest, parse

_NAME: Final = ".larder"


@dataclass(frozen=True, slots=True)
class Workspace:
    """The places inside ``root``; nothing is made before it is needed."""

    root: Path

    @classmethod
    def current(cls) -> "Workspace":
        """The one of the working folder."""
        return cls(Path.cwd() / _NAME)

    @property
    def store(self) -> str:
        """The URL of the store that ``larder up`` serves."""
        return (self.root / "store").as_uri()

    @property
    def cache(self) -> Path:
        """Where workers keep what they download."""
        return self.root / "cache"

    @property
    def logs(self) -> Path:
        """Where workers' output goes."""
        return self.root / "logs"

    @property
    def releases(self) -> Path:
        """Where trainings write releases."""
        return self.root / "releases"

    @property
    def demo(self) -> Path:
        """Where the demo's data are."""
        return self.root / "demo"

    @property
    def address(self) -> Path:
        """The file that holds the address of a running gateway."""
        return self.root / "address"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps a second ``larder up`` out of this folder; raises SettingsError where one runs."""
        self.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SettingsError(
                    "Another `larder up` serves this folder: stop it, or start this one elsewhere.", []
                ) from None
            yield
        finally:
            os.close(handle)

    def releases_of(self, model: str) -> list[Path]:
        """The releases of ``model`` that were trained here, oldest first; what cannot be read is passed over."""
        found = []
        for path in self.releases.glob(f"*/{MANIFEST}"):
            # A name with a dot is a release that is still being written.
            manifest = None if path.parent.name.startswith(".") else _manifest(path)
            if manifest and manifest.model == model:
                found.append((manifest.created, manifest.release, path.parent))
        return [path for *_, path in sorted(found)]

    def release(self, named: str) -> Path:
        """The release folder that ``named`` means: a folder, or a model's newest; raises InvalidRequest for neither."""
        if (Path(named) / MANIFEST).is_file():
            return Path(named)
        trained = self.releases_of(named)
        if not trained:
            raise InvalidRequest(
                f"{named!r} is no release folder and no model with one under {self.releases}: train it first, "
                "or name the folder that the training wrote."
            )
        return trained[-1]


def _manifest(path: Path) -> Manifest | None:
    try:
        return parse(path.read_bytes())
    except (InvalidManifest, OSError):
        return None
