"""Classification: image decoding, and the ONNX graph.

This module imports nothing, since training decodes images with the same code but needs no ONNX session.
"""

import os

# Without this, importing onnxruntime writes a device id to the home folder and sends usage data.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
