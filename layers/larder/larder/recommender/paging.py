"""``next``: the text by which a request gets the next page of its list, without any state between requests.

It names the release that answered, so that all pages are of one list even if another release goes live, and holds a
digest of the request, so that it is not used with another. A list that explores has the seed of its draws there, too.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from larder.errors import InvalidRequest
from larder.recommender.adjustments import MAX_LIST, MAX_PAGES, Page
from larder.release.keys import check_release

_DIGEST_BYTES: Final = 9
_OF_A_PAGE: Final = ("n", "next")
_MAX_TEXT: Final = 4 * MAX_PAGES + 400
_REMEDY: Final = "send the next of the last response, or begin again with an empty one"


def request_digest(document: Mapping[str, object], item: str | None) -> str:
    """A digest of a request, the same for all of its pages."""
    same = {name: value for name, value in document.items() if name not in _OF_A_PAGE}
    text = json.dumps([same, item], sort_keys=True, ensure_ascii=True)
    return blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def read_page(text: str, request: str) -> Page:
    """The page that ``next`` names; an empty text is the first one.

    Raises InvalidRequest if it is not a text that ``next_page`` wrote, or belongs to a request with another digest.
    """
    if not text:
        return Page(request=request)
    try:
        release, digest, *sizes = json.loads(urlsafe_b64decode(text[:_MAX_TEXT].encode("ascii")))
        check_release(release)
        seed = sizes.pop(0) if sizes and isinstance(sizes[0], str) else ""
        valid = bool(sizes) and all(type(size) is int and 1 <= size <= MAX_LIST for size in sizes)
    except (ValueError, TypeError, RecursionError, InvalidRequest):
        valid = False
    if not valid:
        raise InvalidRequest(f"next is not valid: {_REMEDY}.")
    if digest != request:
        raise InvalidRequest(f"next belongs to another request: only n may differ between pages; {_REMEDY}.")
    return Page(tuple(sizes), release, request, seed)


def next_page(page: Page, n: int, release: str) -> str:
    """The ``next`` of a response with ``n`` items of ``page``."""
    seed = [page.seed] if page.seed else []
    text = json.dumps([release, page.request, *seed, *page.earlier, n], separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode("ascii")
