#!/usr/bin/env python3
"""Serves the exported model over HTTP: ``POST /`` with an image as the body, ``GET /health``.

The body may also be JSON: ``{"image": "<Base64>", "side": {"place": "Berlin"}}``.

HOST (default 127.0.0.1) and PORT (default 8080; 0 for a free port) set the address. Put a proxy with TLS in front
before others use it.
"""

import base64
import json
import os
import signal
import sys
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

from PIL import Image

from classify import classify, load  # type: ignore[attr-defined]  # the classify.py next to this file

MAX_BYTES = 20_000_000
Image.MAX_IMAGE_PIXELS = 50_000_000
warnings.simplefilter("error", Image.DecompressionBombWarning)  # more pixels than that are refused

MODEL = load()
ONE_AT_A_TIME = threading.Lock()  # decoding needs memory; two images at once are not faster


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds that a client may take between two bytes

    def do_GET(self) -> None:
        """Reports to a load balancer that the model is loaded."""
        known = self.path == "/health"
        self._answer(200 if known else 404, {"status": "ok"} if known else {"error": "POST an image to /."})

    def do_POST(self) -> None:
        """Classifies the image in the body."""
        length = self.headers.get("content-length", "")
        if not length.isdecimal():
            return self._refuse(411, "Send the image with a content-length.")
        if int(length) > MAX_BYTES:
            return self._refuse(413, f"Send at most {MAX_BYTES} bytes.")
        data = self.rfile.read(int(length))
        if self.path != "/":
            return self._answer(404, {"error": "POST an image to /."})
        try:
            image, side = parse(data)
            with ONE_AT_A_TIME:
                return self._answer(200, classify(MODEL, image, side))
        except (OSError, SyntaxError, ValueError, RecursionError, Warning, Image.DecompressionBombError) as error:
            return self._answer(422, {"error": f"This cannot be labelled: {error}"[:200]})

    def _refuse(self, status: int, message: str) -> None:
        self.close_connection = True  # the body stays unread
        self._answer(status, {"error": message})

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)


def parse(body: bytes) -> tuple[BytesIO, dict[str, Any]]:
    """The image and its side information."""
    if not body.startswith(b"{"):
        return BytesIO(body), {}
    document = json.loads(body)
    image, side = document.get("image"), document.get("side", {})
    if document.keys() - {"image", "side"} or not isinstance(image, str) or not isinstance(side, dict):
        raise ValueError('send {"image": "<Base64>", "side": {...}}.')
    return BytesIO(base64.b64decode(image, validate=True)), side


def main() -> None:
    """Serves until it is stopped."""
    server = ThreadingHTTPServer((os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))), Handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # what `docker stop` sends
    sys.stdout.write(f"Listening on http://{server.server_address[0]!s}:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
