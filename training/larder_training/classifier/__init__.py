"""Trains image classifiers on labelled images, and evaluates releases on new ones.

This module imports only the options; numerical libraries load when a training starts.
"""

import os

# Without this, onnxruntime writes a device id to the home folder and sends usage data to its developers.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.config.preprocessing import Preprocessing

__all__ = ["ClassifierOptions", "Preprocessing"]
