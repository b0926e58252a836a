"""Lookup tables: safetensors files, read with the standard library alone.

numpy and the safetensors library would add 140 ms or more to each cold start, and neither can read a single row of an
object in S3. Here a table is a few bounds-checked offsets, and a look-up is a binary search and a slice, of a
mapped file or of range reads. ``docs/reference/formats.md`` specifies the bytes.

Numbers are read in the host's byte order without a copy, so the host must be little endian, as Lambda is.
"""

from larder.tables.header import MAX_HEADER_BYTES, Header, Tensor, parse_header
from larder.tables.lookup import BLOCK, DenseTable, KeyedTable, hash_key
from larder.tables.reader import Buffer, MappedFile, Range, Reader, invalid, read_exactly
from larder.tables.rows import EMPTY, Row
from larder.tables.strings import Strings

__all__ = [
    "BLOCK",
    "EMPTY",
    "MAX_HEADER_BYTES",
    "Buffer",
    "DenseTable",
    "Header",
    "KeyedTable",
    "MappedFile",
    "Range",
    "Reader",
    "Row",
    "Strings",
    "Tensor",
    "hash_key",
    "invalid",
    "parse_header",
    "read_exactly",
]
