r"""Bodies in chunks, as AWS's clients stream them (``content-encoding: aws-chunked``).

::

    <length in hex>[;chunk-signature=<signature>]\r\n<data>\r\n ... 0[;chunk-signature=<signature>]\r\n
    [<name>:<value>\r\n ... [x-amz-trailer-signature:<signature>\r\n]]\r\n

Source: "Signature calculations: transferring payload in multiple chunks", and "... with trailing headers", in the API
reference of Amazon S3.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha1, sha256
from typing import Final, NamedTuple
from zlib import crc32

from larder.errors import InvalidRequest

CONTENT: Final = "x-amz-content-sha256"
SIGNED: Final = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
UNSIGNED: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_LENGTH: Final = "x-amz-decoded-content-length"
_TRAILER_SIGNATURE: Final = b"x-amz-trailer-signature"
# Those of the checksums that the standard library has.
_CHECKSUMS: Final[Mapping[bytes, Callable[[bytes], bytes]]] = {
    b"x-amz-checksum-crc32": lambda data: crc32(data).to_bytes(4, "big"),
    b"x-amz-checksum-sha1": lambda data: sha1(data, usedforsecurity=False).digest(),
    b"x-amz-checksum-sha256": lambda data: sha256(data).digest(),
}


class ChunkedBody(NamedTuple):
    """A body in chunks.

    Attributes:
        chunks: The data and the signature of each chunk, the last one empty; a signature is empty if there is none.
        trailer: The trailing headers in canonical form, without their signature.
        trailer_signature: Their signature; empty if there is none.
    """

    chunks: tuple[tuple[bytes, str], ...]
    trailer: bytes = b""
    trailer_signature: str = ""

    @property
    def content(self) -> bytes:
        """The data of all chunks."""
        return b"".join(data for data, _ in self.chunks)


def is_chunked(headers: Mapping[str, str]) -> bool:
    """Whether the body is in chunks."""
    return headers.get(CONTENT, "").startswith("STREAMING-")


def read_chunks(headers: Mapping[str, str], body: bytes) -> ChunkedBody:
    """The chunks of a body; raises InvalidRequest if it breaks the format, or its length or checksum differs."""
    chunks, at = [], 0
    while True:
        end = body.find(b"\r\n", at)
        size, _, extension = body[at : max(at, end)].partition(b";")
        if end < 0 or not 1 <= len(size) <= 8 or not _is_hex(size):
            raise _damaged("a chunk does not begin with its length")
        begin, length = end + 2, int(size, 16)
        data = body[begin : begin + length]
        name, _, signature = extension.partition(b"=")
        if len(data) != length or (name and name != b"chunk-signature"):
            raise _damaged("a chunk is incomplete")
        chunks.append((data, signature.decode("ascii", "replace")))
        at = begin + length
        if not length:
            break
        if body[at : at + 2] != b"\r\n":
            raise _damaged("a chunk does not end with a line break")
        at += 2
    return _checked(headers, _with_trailer(chunks, body[at:]))


def _with_trailer(chunks: list[tuple[bytes, str]], rest: bytes) -> ChunkedBody:
    lines = [line for line in rest.split(b"\r\n") if line]
    signature = b""
    if lines and lines[-1].startswith(_TRAILER_SIGNATURE):
        signature = lines.pop().partition(b":")[2].strip()
    pairs = [line.partition(b":")[::2] for line in lines]
    trailer = b"".join(name.strip().lower() + b":" + value.strip() + b"\n" for name, value in sorted(pairs))
    return ChunkedBody(tuple(chunks), trailer, signature.decode("ascii", "replace"))


def _checked(headers: Mapping[str, str], body: ChunkedBody) -> ChunkedBody:
    content, length = body.content, headers.get(_LENGTH, "")
    if length and length != str(len(content)):
        raise _damaged(f"{_LENGTH} is not its length")
    for line in body.trailer.splitlines():
        name, _, value = line.partition(b":")
        if name in _CHECKSUMS and b64encode(_CHECKSUMS[name](content)) != value:
            raise _damaged(f"{name.decode()} is not its checksum")
    return body


def _is_hex(text: bytes) -> bool:
    return all(character in b"0123456789abcdefABCDEF" for character in text)


def _damaged(reason: str) -> InvalidRequest:
    return InvalidRequest(f"The body in chunks (aws-chunked) cannot be read: {reason}. Send it again, or in one piece.")
