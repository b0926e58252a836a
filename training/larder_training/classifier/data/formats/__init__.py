"""Formats of lists of labelled images: one module per format, each a function of the text or the names of files."""
