"""Which release of a model answers, opened and kept: the part of serving that lives as long as its process."""

from larder.host.cache import DiskCache
from larder.host.files import ReleaseFiles
from larder.host.models import ModelHost, Opened, Served

__all__ = ["DiskCache", "ModelHost", "Opened", "ReleaseFiles", "Served"]
