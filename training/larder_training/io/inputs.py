"""Which files an input is: one or many, here or in S3, named one by one, by folder or by pattern."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import glob
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, TypeVar

from larder.errors import InvalidRequest, MissingObject
from larder_training.io.s3 import SCHEME, is_remote, listed, parse, store_of
from larder_training.reporting.progress import Progress

Location = Path | str  # a file, a folder or a pattern (*.parquet), here or at s3://
Kind = Literal["csv", "parquet", "jsonl"]
KINDS: Final[dict[str, Kind]] = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".json.gz": "jsonl",
}
_REMEDY: Final = (
    "give CSV (.csv, .csv.gz), Parquet (.parquet) or JSON lines (.jsonl, .jsonl.gz): a file, a folder, a pattern like "
    "'logs/*.parquet', or the same at s3://"
)
_T = TypeVar("_T")
_WILD: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file on this machine. ``name`` is what messages call it: without the machine's folders."""

    path: Path
    name: str

    @property
    def kind(self) -> Kind:
        """How it is written, by its name."""
        kind = kind_of(self.name)
        if kind is None:
            raise InvalidRequest(f"{self.name} is of no kind that is read: {_REMEDY}.")
        return kind

    def fingerprint(self) -> dict[str, object]:
        """What identifies it: its name, bytes and sha256."""
        with self.path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        return {"file": self.name, "bytes": self.path.stat().st_size, "sha256": digest}


@dataclass(frozen=True, slots=True)
class InputFiles:
    """An input: at least one file, in the order of the locations and, within each, of the names."""

    files: tuple[InputFile, ...]

    @property
    def name(self) -> str:
        """What messages call the whole input."""
        first = self.files[0].name
        return first if len(self.files) == 1 else f"{first} and {len(self.files) - 1} more"

    def fingerprint(self) -> dict[str, object]:
        """What identifies the input: its only file's, or the bytes of all and each file's own."""
        each = [file.fingerprint() for file in self.files]
        return (
            each[0]
            if len(each) == 1
            else {"bytes": sum(file.path.stat().st_size for file in self.files), "files": each}
        )


InputSource = Location | Sequence[Location] | InputFiles  # what an option or a caller may hold


def kind_of(name: str) -> Kind | None:
    """The kind of a file of this name; None where it is none that is read."""
    return next((kind for suffix, kind in KINDS.items() if name.lower().endswith(suffix)), None)


@contextmanager
def open_input(given: InputSource, progress: Progress | None = None) -> Iterator[InputFiles]:
    """The files of an input, those in S3 fetched into a temporary folder, which goes at the end.

    Within a folder, files of other kinds and hidden ones (whose names begin with . or _) are passed over. Raises
    InvalidRequest where a location has no file, and StoreError where S3 does not answer.
    """
    if isinstance(given, InputFiles):
        yield given
        return
    locations = [given] if isinstance(given, Path | str) else list(given)
    if not locations:
        raise InvalidRequest(f"no file is given: {_REMEDY}.")
    with TemporaryDirectory(prefix="larder-") as folder:
        found = [file for each in locations for file in _found(each, Path(folder), progress or Progress(quiet=True))]
        once = {(file.path.resolve()): file for file in reversed(found)}
        yield InputFiles(tuple(file for file in found if once.pop(file.path.resolve(), None)))


def _found(location: Location, folder: Path, progress: Progress) -> list[InputFile]:
    if is_remote(location):
        return _fetched(str(location), folder, progress)
    if "://" in str(location):
        raise InvalidRequest(f"{str(location)[:80]!r} cannot be read: {_REMEDY}.")
    path = Path(location)
    if path.is_file():
        return [InputFile(path, path.name)]
    if path.is_dir():
        inside = sorted(each for each in path.rglob("*") if each.is_file())
        names = [each.relative_to(path).as_posix() for each in inside]
    else:
        if not _WILD & set(str(path)):
            raise InvalidRequest(f"{path} is no file: {_REMEDY}.")
        inside = sorted(Path(each) for each in glob(str(path), recursive=True) if Path(each).is_file())  # noqa: PTH207 - a pattern may be absolute, which Path.glob refuses
        names = [each.name for each in inside]
    return _some([InputFile(each, name) for each, name in zip(inside, names, strict=True) if _seen(name)], path)


def _fetched(url: str, folder: Path, progress: Progress) -> list[InputFile]:
    """Copies of the objects that a URL means: one, those below a prefix, or those that fit a pattern."""
    bucket = url.removeprefix(SCHEME).partition("/")[0]
    store = store_of(bucket)
    keys = _some([parse(each)[1] for each in _urls(url)], url)
    try:
        sizes = [store.size(key) for key in keys]
    except MissingObject as error:
        raise InvalidRequest(f"{url} is not there, or may not be read: {_REMEDY}.") from error
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
    if wild < 0 and kind_of(url) is not None:
        return [url]
    prefix = url if wild < 0 else url[:wild].rpartition("/")[0]
    return [each for each, inside in listed(prefix) if _seen(inside) and (wild < 0 or fnmatchcase(each, url))]


def _seen(name: str) -> bool:
    """Whether a file that nobody named himself is part of the input."""
    return kind_of(name) is not None and not any(part.startswith((".", "_")) for part in name.split("/"))


def _some(found: list[_T], location: Location) -> list[_T]:
    if not found:
        raise InvalidRequest(f"{location} holds no file that is read: {_REMEDY}.")
    return found
