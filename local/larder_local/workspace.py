"""The folder ``.larder``, which holds everything that Larder stores on a developer's machine."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from larder.errors import InvalidManifest, SettingsError
from larder.release.keys import MANIFEST
from larder.release.manifest import Manifest, parse

_NAME: Final = ".larder"


@dataclass(frozen=True, slots=True)
class RunningService:
    """A running ``larder up``.

    Attributes:
        url: Its address.
        pid: Its process.
        functions: The names of the functions that it runs.
        workers: The maximum number of worker processes per function.
    """

    url: str
    pid: int
    functions: list[str]
    workers: int


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
    def events(self) -> str:
        """The URL of the live store and the queue of events."""
        return f"sqlite://{self.root / 'events.db'}"

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
    def service_file(self) -> Path:
        """The file with the ``RunningService`` of this folder, while one runs."""
        return self.root / "service.json"

    @property
    def key_file(self) -> Path:
        """The file with the API key of this folder, which only its owner may read."""
        return self.root / "key"

    def running_service(self) -> RunningService | None:
        """The ``larder up`` that serves this folder; None if none does."""
        try:
            service = RunningService(**json.loads(self.service_file.read_bytes()))
            os.kill(service.pid, 0)  # a service that was killed leaves its file
        except (OSError, ValueError, TypeError):
            return None
        return service

    @contextmanager
    def announce(self, service: RunningService) -> Iterator[None]:
        """States inside the block that ``service`` serves this folder."""
        part = self.service_file.with_suffix(".part")
        part.write_text(json.dumps(asdict(service), indent=2) + "\n", encoding="utf-8")
        part.replace(self.service_file)
        try:
            yield
        finally:
            self.service_file.unlink(missing_ok=True)

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

    def manifests(self) -> Iterator[tuple[Path, Manifest]]:
        """The release folders of the trainings on this machine with their manifests; unreadable ones are skipped."""
        for path in self.releases.glob(f"*/{MANIFEST}"):
            # The name of a release that is still being written starts with a dot.
            manifest = None if path.parent.name.startswith(".") else _manifest(path)
            if manifest:
                yield path.parent, manifest

    def models(self) -> set[str]:
        """The models that were trained here."""
        return {manifest.model for _, manifest in self.manifests()}

    def releases_of(self, model: str) -> list[Path]:
        """The releases of ``model`` that were trained here, oldest first; unreadable manifests are skipped."""
        own = [(path, manifest) for path, manifest in self.manifests() if manifest.model == model]
        return [path for path, _ in sorted(own, key=lambda entry: (entry[1].created, entry[1].release))]


def _manifest(path: Path) -> Manifest | None:
    try:
        return parse(path.read_bytes())
    except (InvalidManifest, OSError):
        return None
