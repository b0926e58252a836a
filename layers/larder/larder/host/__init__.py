"""Which release of a model answers, opened and kept: the part of serving that lives as long as its process."""

from larder.host.cache import DiskCache
from larder.host.files import ReleaseFiles
from larder.host.models import ModelHost
from larder.host.preload import preload
from larder.host.releases import Opened, Served
from larder.host.snapshot import renew_after_restore

__all__ = ["DiskCache", "ModelHost", "Opened", "ReleaseFiles", "Served", "preload", "renew_after_restore"]
