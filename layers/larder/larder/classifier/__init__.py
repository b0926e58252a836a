"""Classification: decoding images, and the ONNX graph that labels them.

Nothing is imported here: training decodes images with the same code and needs no session, and the rollout neither.
"""

import os

# Once imported, onnxruntime writes a device id below the home folder and sends usage data to its makers, unless:
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
