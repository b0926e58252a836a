"""Label images with Google Cloud Vision's client: the program is the same for Google and for Larder.

Run as ``python google_vision.py IMAGE...``; an image is a file, or ``gs://BUCKET/uploads/NAME`` in the service's
bucket. ``LARDER_URL`` is the address of the service and ``LARDER_KEY`` a key; see
docs/how-to/use-google-vision-clients.md.
"""

import os
import sys
from pathlib import Path

from google.cloud import vision


def main(images: list[str]) -> None:
    """Prints the labels of each image."""
    options = {
        "api_endpoint": os.environ.get("LARDER_URL", "http://127.0.0.1:8080"),
        "api_key": os.environ["LARDER_KEY"],
    }
    client = vision.ImageAnnotatorClient(transport="rest", client_options=options)
    for name in images:
        if "://" in name:
            image = vision.Image(source=vision.ImageSource(image_uri=name))
        else:
            image = vision.Image(content=Path(name).read_bytes())
        answer = client.label_detection(image=image, max_results=5)
        if answer.error.message:
            print(f"{name}: {answer.error.message}")
        for label in answer.label_annotations:
            print(f"{name}: {label.score:.2f} {label.description}")


if __name__ == "__main__":
    main(sys.argv[1:])
