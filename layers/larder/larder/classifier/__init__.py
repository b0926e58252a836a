"""Labels for pictures: what a request asks for, and the graph that answers it."""

from larder.classifier.graph import Classifier, Label, Labels
from larder.classifier.request import FIELDS, OPTIONS, Request

__all__ = ["FIELDS", "OPTIONS", "Classifier", "Label", "Labels", "Request"]
