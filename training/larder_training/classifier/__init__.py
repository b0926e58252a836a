"""Trains an image classifier from labelled photos, and measures any release on photos it has not seen.

``train`` (in ``larder_training.classifier.train``) is the library's entry, ``command`` the command line's. Only click
is imported here: the numeric libraries load when a training starts.
"""

import os

# onnxruntime, once imported, writes a device id beneath the home folder and sends usage data to its makers, unless:
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from larder_training.classifier.cli import command
from larder_training.classifier.options import ClassifierOptions
from larder_training.classifier.preprocessing import Preprocessing

__all__ = ["ClassifierOptions", "Preprocessing", "command"]
