"""Label an image of the service's bucket with Alibaba Cloud's client, unmodified.

Run as ``python alibaba.py s3://BUCKET/uploads/NAME``. ``LARDER_URL`` is the address of the service and ``LARDER_KEY`` a
key that can sign (``larder keys add --signing``); see docs/how-to/use-alibaba-clients.md.
"""

import os
import sys
from urllib.parse import urlsplit

from alibabacloud_imagerecog20190930.client import Client  # type: ignore[import-untyped]  # ships no types
from alibabacloud_imagerecog20190930.models import TaggingImageRequest  # type: ignore[import-untyped]  # ships no types
from alibabacloud_tea_openapi.models import Config  # type: ignore[import-untyped]  # ships no types


def main(image: str) -> None:
    """Prints the labels of an image."""
    url = urlsplit(os.environ.get("LARDER_URL", "http://127.0.0.1:8080"))
    key, _, secret = os.environ["LARDER_KEY"].partition(".")
    config = Config(access_key_id=key, access_key_secret=secret, endpoint=url.netloc, protocol=url.scheme)
    answer = Client(config).tagging_image(TaggingImageRequest(image_url=image))
    for tag in answer.body.data.tags:
        print(f"{tag.confidence:.1f} {tag.value}")


if __name__ == "__main__":
    main(*sys.argv[1:])
