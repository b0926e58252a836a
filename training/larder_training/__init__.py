"""Rebuilds the artifacts that ``larder`` serves: learners, export, evaluation, reports. Never part of a Lambda."""
