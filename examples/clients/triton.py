"""Ask a classifier or a recommender with Triton's client: the program is the same for Triton and for Larder.

Run as ``python triton.py image MODEL IMAGE`` or ``python triton.py user MODEL USER``. ``LARDER_URL`` is the address of
the service and ``LARDER_KEY`` a key; see docs/how-to/use-triton-clients.md.
"""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from tritonclient.http import (  # type: ignore[import-untyped]  # ships no types
    InferenceServerClient,
    InferInput,
    InferRequestedOutput,
)


def main(kind: str, model: str, value: str) -> None:
    """Prints the three best labels of an image, or the three best items for a user."""
    url = urlsplit(os.environ.get("LARDER_URL", "http://127.0.0.1:8080"))
    headers = {"x-api-key": os.environ.get("LARDER_KEY", "")}
    with InferenceServerClient(url.netloc, ssl=url.scheme == "https") as client:
        if kind == "image":
            data = np.array([[Path(value).read_bytes()]], dtype=np.object_)
            image = InferInput("image", [1, 1], "BYTES").set_data_from_numpy(data)
            best = InferRequestedOutput("probabilities", class_count=3)
            result = client.infer(model, [image], outputs=[best], headers=headers)
            for text in result.as_numpy("probabilities")[0]:
                score, _, label = text.decode().split(":", 2)
                print(f"{float(score):.2f} {label}")
        else:
            data = np.array([[value.encode()]], dtype=np.object_)
            user = InferInput("user", [1, 1], "BYTES").set_data_from_numpy(data)
            result = client.infer(model, [user], headers=headers, parameters={"n": 3})
            for item, score in zip(result.as_numpy("items")[0], result.as_numpy("scores")[0], strict=True):
                print(f"{score:.2f} {item.decode()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
