"""A request in the one form in which its caller and its receiver compute the same signature.

A front door may pass on a path that it has decoded, and callers differ in how they write a query string. Where that
leaves several forms, each is tried; all of them bind the bytes that were received.
"""

from collections.abc import Iterator
from urllib.parse import quote, unquote_to_bytes

from larder.auth.request import SignedRequest

_UNRESERVED = "-_.~"


def encoded(text: str) -> str:
    """``text`` with everything but unreserved characters percent-encoded."""
    return quote(text, safe=_UNRESERVED, errors="surrogatepass")


def canonical_paths(path: str, *, twice: bool) -> Iterator[str]:
    """The forms of a path.

    Args:
        path: The path as it was received: encoded, or decoded by a front door.
        twice: Whether the service's callers encode a path that is encoded already, after they removed dots and repeated
            slashes. All services of AWS do, except for S3.
    """
    reencoded = _quoted(path, f"/{_UNRESERVED}")
    if not twice:
        yield from dict.fromkeys((path or "/", reencoded or "/"))
        return
    for sent in dict.fromkeys((path, reencoded)):
        yield from dict.fromkeys((_quoted(_normalized(sent), "/~"), _quoted(sent or "/", "/~")))


def _quoted(path: str, safe: str) -> str:
    return quote(path, safe=safe, errors="surrogatepass")


def _normalized(path: str) -> str:
    """The path without ``.``, ``..`` and empty segments."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return f"/{'/'.join(segments)}{'/' if path.endswith('/') and segments else ''}"


def canonical_queries(pairs: list[tuple[str, str]]) -> Iterator[str]:
    """The forms of a query string: its parameters sorted as they were sent, and sorted after encoding them again."""
    reencoded = [(_reencoded(name), _reencoded(value)) for name, value in pairs]
    yield from dict.fromkeys("&".join(f"{name}={value}" for name, value in sorted(form)) for form in (pairs, reencoded))


def split_query(text: str) -> list[tuple[str, str]]:
    """The names and values of a query string, still encoded; a parameter without ``=`` has an empty value."""
    pairs = (part.partition("=") for part in text.split("&") if part)
    return [(name, value) for name, _, value in pairs]


def canonical_headers(request: SignedRequest, names: tuple[str, ...]) -> str:
    """A line for each header, with runs of white space as one space. A header that was not sent is empty."""
    return "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names)


def _reencoded(text: str) -> str:
    """``text`` decoded and encoded again; a ``+`` is a space, as for those who read the parameter."""
    raw = text.replace("+", " ").encode("utf-8", "surrogatepass")
    return quote(unquote_to_bytes(raw), safe=_UNRESERVED)
