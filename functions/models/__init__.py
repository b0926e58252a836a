"""The API of the model registry. In Lambda this folder is the root, and ``app`` is a top-level module."""
