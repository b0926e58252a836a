"""Trains an image classifier from labelled images, and evaluates any release on images it has not seen.

Only the options are imported here: the numerical libraries load when a training starts.
"""

import os

# Once imported, onnxruntime writes a device id below the home folder and sends usage data to its makers, unless:
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.config.preprocessing import Preprocessing

__all__ = ["ClassifierOptions", "Preprocessing"]
