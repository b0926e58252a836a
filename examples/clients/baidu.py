"""Label an image with Baidu's client: the program is the same for Baidu and for Larder, apart from the two addresses.

Run as ``python baidu.py IMAGE``. ``LARDER_URL`` is the address of the service and ``LARDER_KEY`` a key; see
docs/how-to/use-baidu-clients.md.
"""

import os
import sys
from pathlib import Path

from aip import AipImageClassify  # type: ignore[import-untyped]  # ships no types

URL = os.environ.get("LARDER_URL", "http://127.0.0.1:8080")


class ImageClassify(AipImageClassify):  # type: ignore[misc]  # its base has no types
    """Baidu's client with the addresses of the service; Python gives private names the prefix of their class."""

    _AipBase__accessTokenUrl = f"{URL}/oauth/2.0/token"
    _AipImageClassify__advancedGeneralUrl = f"{URL}/rest/2.0/image-classify/v2/advanced_general"


def main(image: str) -> None:
    """Prints the best labels of an image."""
    key, _, secret = os.environ["LARDER_KEY"].partition(".")
    client = ImageClassify("any", key, secret)
    answer = client.advancedGeneral(Path(image).read_bytes(), {"top_num": 3})
    if "error_code" in answer:
        raise SystemExit(f"{answer['error_code']}: {answer['error_msg']}")
    for label in answer["result"]:
        print(f"{label['score']:.2f} {label['keyword']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
