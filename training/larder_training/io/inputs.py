"""Input files, local or in S3: named one by one, by folder or by pattern."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from glob import glob
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, TypeVar

from larder.errors import InvalidRequest, MissingObject
from larder_training.io.s3 import SCHEME, is_remote, listed, parse, store_of
from larder_training.reporting.progress import Progress

Location = Path | str  # a file, a folder or a pattern (*.parquet), local or at s3://
FileFormat = Literal["csv", "parquet", "jsonl"]
FORMATS: Final[dict[str, FileFormat]] = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "csv",
    ".tsv.gz": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".ndjson": "jsonl",
    ".ndjson.gz": "jsonl",
    ".json": "jsonl",
    ".json.gz": "jsonl",
}
_REMEDY: Final = (
    "give CSV (.csv, .tsv, .csv.gz), Parquet (.parquet) or JSON lines (.jsonl, .jsonl.gz) as a file, a folder or a "
    "pattern like 'logs/*.parquet', local or at s3://"
)
_LISTINGS: Final = 3  # how often a prefix is listed if its objects are deleted meanwhile
_T = TypeVar("_T")
_WILD: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class InputFile:
    """A local file.

    Attributes:
        path: Where it is.
        name: Its name in messages, without the folders of this machine.
    """

    path: Path
    name: str

    @property
    def format(self) -> FileFormat:
        """The format, by the suffix. Raises InvalidRequest for other suffixes."""
        file_format = format_of(self.name)
        if file_format is None:
            raise InvalidRequest(f"{self.name} has no supported suffix: {_REMEDY}.")
        return file_format

    def fingerprint(self) -> dict[str, object]:
        """Name, size and sha256."""
        with self.path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        return {"file": self.name, "bytes": self.path.stat().st_size, "sha256": digest}


@dataclass(frozen=True, slots=True)
class InputFiles:
    """At least one file, in the order of the locations and, within each, of the names.

    Attributes:
        files: The files.
        scratch: A folder for copies, such as decoded ones, which is deleted after reading.
        checked: What readers found in each file, so that a file that is read twice is checked once.
    """

    files: tuple[InputFile, ...]
    scratch: Path
    checked: dict[Path, Any] = field(default_factory=dict, compare=False)  # Any: each format has its own type

    @property
    def name(self) -> str:
        """The name of the whole input in messages."""
        first = self.files[0].name
        return first if len(self.files) == 1 else f"{first} and {len(self.files) - 1} more"

    def fingerprint(self) -> dict[str, object]:
        """The fingerprint of the only file, or the total size and the fingerprints of all files."""
        prints = [file.fingerprint() for file in self.files]
        if len(prints) == 1:
            return prints[0]
        return {"bytes": sum(file.path.stat().st_size for file in self.files), "files": prints}


InputSource = Location | Sequence[Location] | InputFiles  # what options and functions take


def format_of(name: str) -> FileFormat | None:
    """The format of a file of this name; None: not supported."""
    return next((file_format for suffix, file_format in FORMATS.items() if name.lower().endswith(suffix)), None)


@contextmanager
def open_input(source: InputSource, progress: Progress | None = None) -> Iterator[InputFiles]:
    """Opens an input; objects in S3 are downloaded to a temporary folder, which is deleted at the end.

    In a folder, files of other formats and hidden files (names that begin with . or _) are ignored.

    Raises:
        InvalidRequest: A location has no file.
        StoreError: S3 does not respond.
    """
    if isinstance(source, InputFiles):
        yield source
        return
    locations = [source] if isinstance(source, Path | str) else list(source)
    if not locations:
        raise InvalidRequest(f"an input without files: {_REMEDY}.")
    with TemporaryDirectory(prefix="larder-") as folder:
        progress = progress or Progress(quiet=True)
        files = [file for location in locations for file in _files_at(location, Path(folder), progress)]
        unique = {file.path.resolve(): file for file in reversed(files)}
        copies = Path(folder) / "copies"
        copies.mkdir()
        yield InputFiles(tuple(file for file in files if unique.pop(file.path.resolve(), None)), copies)


def _files_at(location: Location, folder: Path, progress: Progress) -> list[InputFile]:
    if is_remote(location):
        return _download(str(location), folder, progress)
    if "://" in str(location):
        raise InvalidRequest(f"{str(location)[:80]!r} cannot be read: {_REMEDY}.")
    path = Path(location)
    if path.is_file():
        return [InputFile(path, path.name)]
    if path.is_dir():
        paths = sorted(file for file in path.rglob("*") if file.is_file())
        names = [file.relative_to(path).as_posix() for file in paths]
    else:
        if not _WILD & set(str(path)):
            raise InvalidRequest(f"{path} does not exist: {_REMEDY}.")
        paths = sorted(Path(file) for file in glob(str(path), recursive=True) if Path(file).is_file())  # noqa: PTH207 - Path.glob takes no absolute pattern
        names = [file.name for file in paths]
    return _not_empty([InputFile(file, name) for file, name in zip(paths, names, strict=True) if _counts(name)], path)


def _download(url: str, folder: Path, progress: Progress) -> list[InputFile]:
    """Downloads the objects of a URL: one object, all below a prefix, or all that match a pattern.

    If an object is deleted meanwhile, as by a compaction of the log of events, the listing is made again: another
    object has its rows.
    """
    for listing in range(_LISTINGS):
        try:
            return _download_listed(url, folder / str(listing), progress)
        except MissingObject as error:
            missing = error
    raise InvalidRequest(f"{url} does not exist, or access is denied: {_REMEDY}.") from missing


def _download_listed(url: str, folder: Path, progress: Progress) -> list[InputFile]:
    bucket = url.removeprefix(SCHEME).partition("/")[0]
    store = store_of(bucket)
    keys = _not_empty([parse(object_url)[1] for object_url in _urls(url)], url)
    sizes = [store.size(key) for key in keys]
    files = []
    with progress.task(f"Fetching {url}", sum(sizes)) as advance:
        for key, size in zip(keys, sizes, strict=True):
            name = key.rpartition("/")[2]
            path = folder / bucket / key
            store.download(key, path)
            files.append(InputFile(path, name))
            advance(size)
    return files


def _urls(url: str) -> list[str]:
    wild = min((url.find(sign) for sign in _WILD if sign in url), default=-1)
    if wild < 0 and format_of(url) is not None:
        return [url]
    prefix = url if wild < 0 else url[:wild].rpartition("/")[0]
    return [found for found, path in listed(prefix) if _counts(path) and (wild < 0 or fnmatchcase(found, url))]


def _counts(name: str) -> bool:
    """Whether a file of a folder or pattern is part of the input."""
    return format_of(name) is not None and not any(part.startswith((".", "_")) for part in name.split("/"))


def _not_empty(files: list[_T], location: Location) -> list[_T]:
    if not files:
        raise InvalidRequest(f"{location} has no readable file: {_REMEDY}.")
    return files
