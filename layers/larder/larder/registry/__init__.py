"""The model repository, read: which models there are, what each release is, and the files of it."""

from larder.registry.documents import Document, Repository

__all__ = ["Document", "Repository"]
