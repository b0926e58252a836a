"""Data that callers upload for trainings: where each file goes, and how it gets there.

A bucket takes files from the caller directly, by signed URLs. A folder or memory takes them through the API, whose
requests have a limit.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from larder.errors import InvalidRequest, TooLarge
from larder.jobs.job import job_name
from larder.release.json_fields import FieldReader
from larder.release.keys import training_data_prefix
from larder.store import Store

MOST_FILES: Final = 1000
SECONDS: Final = 3600
MOST_BYTES: Final = 5 * 2**30
"""What S3 takes in one PUT."""
MOST_BYTES_OF_A_REQUEST: Final = 4_700_000
"""What Lambda takes in one request, encoded as base64."""
_SEGMENT: Final = re.compile(r"[^\x00-\x1f\x7f/\\%#?*:|\"<>]{1,200}")
_LONGEST: Final = 700  # bytes of a path, so that its key is one of S3


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that a caller wants to upload.

    Attributes:
        name: Its path in the data set, such as ``cat/1.jpg``.
        bytes: Its length.
    """

    name: str
    bytes: int


def check_file_path(path: str) -> str:
    """Return ``path``; raises InvalidRequest unless it is a relative path of plain names."""
    parts = path.split("/")
    is_plain = all(_SEGMENT.fullmatch(part) and part not in (".", "..") for part in parts)
    if not is_plain or len(path.encode()) > _LONGEST:
        raise InvalidRequest(
            f"{path[:80]!r} is not the path of a file: use names without \\ % # ? * : | \" < >, separated by '/', such "
            "as cat/1.jpg."
        )
    return path


def read_files(document: Mapping[str, object]) -> tuple[str | None, list[UploadedFile]]:
    """The name of the data set, None for a new one, and its files; raises InvalidRequest with every problem."""
    fields = FieldReader(document)
    name = fields.text("name") if fields.has("name") else None
    entries = fields.sequence("files")
    if not 1 <= len(entries) <= MOST_FILES:
        fields.note("files", f"has {len(entries)} entries; it must have 1 to {MOST_FILES}: send the others after these")
    files = []
    for index, entry in enumerate(entries[:MOST_FILES]):
        reader = FieldReader(entry, f"files.{index}", fields.problems)
        file = UploadedFile(reader.text("name"), reader.integer("bytes", 0, MOST_BYTES))
        reader.finish()
        try:
            files.append(UploadedFile(check_file_path(file.name), file.bytes))
        except InvalidRequest as error:
            fields.note(f"files.{index}.name", str(error))
    fields.finish()
    if fields.problems:
        raise InvalidRequest(f"The request is invalid: {'; '.join(fields.problems[:20])}.")
    return name, files


def plan_uploads(store: Store, model: str, name: str | None, files: list[UploadedFile]) -> Mapping[str, object]:
    """Where each file is to be PUT: ``uri``, the channel's, and ``uploads`` with ``file`` and ``url``.

    A URL that begins with ``/`` is a path of this API. Others are signed for an hour, and take the file without a key.

    Raises TooLarge for a file that does not fit into a request of the API, if the store signs no URLs.
    """
    name = name or job_name(datetime.now(UTC))
    prefix = training_data_prefix(model, name)
    uploads = [{"file": file.name, "url": _url(store, model, name, f"{prefix}{file.name}", file)} for file in files]
    return {"model": model, "name": name, "uri": prefix, "uploads": uploads, "seconds": SECONDS}


def put_file(store: Store, model: str, name: str, file: str, data: bytes) -> Mapping[str, object]:
    """Write one file of a data set, in place of one of the same path."""
    key = f"{training_data_prefix(model, name)}{check_file_path(file)}"
    if len(data) > MOST_BYTES_OF_A_REQUEST:
        raise _too_large(file, len(data))
    store.put(key, data)
    return {"model": model, "name": name, "file": file, "bytes": len(data), "uri": training_data_prefix(model, name)}


def _url(store: Store, model: str, name: str, key: str, file: UploadedFile) -> str:
    signed = store.presign(key, SECONDS, "PUT")
    if signed is not None:
        return signed
    if file.bytes > MOST_BYTES_OF_A_REQUEST:
        raise _too_large(file.name, file.bytes)
    return f"/v1/models/{model}/training-data/{name}?file={quote(file.name, safe='')}"


def _too_large(file: str, size: int) -> TooLarge:
    return TooLarge(
        f"{file[:80]!r} has {size} bytes, and a request of the API takes {MOST_BYTES_OF_A_REQUEST}: on this machine, "
        "give its path to larder jobs start --channel; in a bucket, upload it by the URL of POST "
        "/v1/models/{model}/training-data."
    )
