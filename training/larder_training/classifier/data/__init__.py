"""Labelled images: manifests, validation of files, near-duplicates, splits and side columns."""
