"""``model.tar.gz``, as which SageMaker keeps the output of a training job."""

import tarfile
from pathlib import Path
from typing import Final

from larder.errors import InvalidRequest
from larder.release.keys import MANIFEST

ARCHIVE: Final = "model.tar.gz"


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the ``model.tar.gz`` of a training job to ``folder`` and return the folder of the release.

    Raises InvalidRequest if it is damaged, leaves the folder, or has no release.
    """
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InvalidRequest(f"{archive.name} cannot be unpacked ({error}): copy it again.") from error
    if not (folder / MANIFEST).is_file():
        raise InvalidRequest(f"{archive.name} has no {MANIFEST}: give the output of a training by Larder.")
    return folder
