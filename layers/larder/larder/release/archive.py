"""``model.tar.gz``, as which SageMaker keeps the output of a training job."""

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from larder.errors import InvalidRequest
from larder.release.keys import MANIFEST

ARCHIVE: Final = "model.tar.gz"
MOST_BYTES: Final = 8 * 2**30
"""The files of a release together; the rollout function has 10 GB for the archive and them."""
_MOST_FILES: Final = 100


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the ``model.tar.gz`` of a training job to ``folder`` and return the folder of the release.

    Raises InvalidRequest if it is damaged, has anything but files at its top, is too large, or has no release. Files
    before the first problem are in ``folder`` then.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(folder, _files(tar, archive.name), filter="data")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InvalidRequest(f"{archive.name} cannot be unpacked ({error}): copy it again.") from error
    if not (folder / MANIFEST).is_file():
        raise InvalidRequest(f"{archive.name} has no {MANIFEST}: give the output of a training by Larder.")
    return folder


def _files(tar: tarfile.TarFile, archive: str) -> Iterator[tarfile.TarInfo]:
    """The files of an archive; each is checked by its header, before its content is decompressed."""
    count = size = 0
    for member in tar:
        path = PurePosixPath(member.name)
        if member.isdir() and not path.parts:
            continue  # "./", with which `tar -C folder .` begins
        count, size = count + 1, size + member.size
        if not member.isreg() or len(path.parts) != 1 or path.name == "..":
            problem = f"{member.name[:80]!r} is not a file at its top"
        elif size > MOST_BYTES or count > _MOST_FILES:
            problem = f"it has more than {MOST_BYTES} bytes or {_MOST_FILES} files"
        else:
            yield member
            continue
        raise InvalidRequest(f"{archive} cannot be unpacked: {problem}. Give the output of a training by Larder.")
