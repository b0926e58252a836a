"""The folder ``.larder``, which holds everything that Larder stores on a developer's machine."""

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
    """The paths inside ``root``; a folder is created when it is first needed.

    Attributes:
        root: The folder ``.larder``.
    """

    root: Path

    @classmethod
    def current(cls) -> "Workspace":
        """The workspace of the working folder."""
        return cls(Path.cwd() / _NAME)

    @property
    def store(self) -> str:
        """The URL of the store that ``larder up`` serves."""
        return (self.root / "store").as_uri()

    @property
    def cache(self) -> Path:
        """The folder of the files that workers download."""
        return self.root / "cache"

    @property
    def logs(self) -> Path:
        """The folder of the workers' log files."""
        return self.root / "logs"

    @property
    def releases(self) -> Path:
        """The folder where trainings write releases."""
        return self.root / "releases"

    @property
    def demo(self) -> Path:
        """The folder of the demo's training data."""
        return self.root / "demo"

    @property
    def address(self) -> Path:
        """The file with the address of the running gateway."""
        return self.root / "address"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the lock of this folder; raises SettingsError if another ``larder up`` holds it."""
        self.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SettingsError(
                    "Another `larder up` serves this folder: stop it, or start this one in another folder.", []
                ) from None
            yield
        finally:
            os.close(handle)

    def releases_of(self, model: str) -> list[Path]:
        """The releases of ``model`` that were trained here, oldest first; unreadable manifests are skipped."""
        releases = []
        for path in self.releases.glob(f"*/{MANIFEST}"):
            # The name of a release that is still being written starts with a dot.
            manifest = None if path.parent.name.startswith(".") else _manifest(path)
            if manifest and manifest.model == model:
                releases.append((manifest.created, manifest.release, path.parent))
        return [path for *_, path in sorted(releases)]

    def release(self, name: str) -> Path:
        """The release folder ``name``, or the newest release of model ``name``; else raises InvalidRequest."""
        if (Path(name) / MANIFEST).is_file():
            return Path(name)
        releases = self.releases_of(name)
        if not releases:
            raise InvalidRequest(
                f"{name!r} is neither a release folder nor a model with a release in {self.releases}: train it first, "
                "or give the path of a release folder."
            )
        return releases[-1]


def _manifest(path: Path) -> Manifest | None:
    try:
        return parse(path.read_bytes())
    except (InvalidManifest, OSError):
        return None
