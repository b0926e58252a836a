"""Labels for pictures: what a request asks for, and the graph that answers it."""

import os

# onnxruntime, once imported, writes a device id beneath the home folder and sends usage data to its makers, unless:
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from larder.classifier.graph import Classifier, Label, Labels
from larder.classifier.request import FIELDS, OPTIONS, Request

__all__ = ["FIELDS", "OPTIONS", "Classifier", "Label", "Labels", "Request"]
