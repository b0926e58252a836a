"""The live releases of models, loaded and cached for the life of the process."""

from larder.host.disk_cache import DiskCache
from larder.host.model_host import ModelHost
from larder.host.preload import in_background, preload
from larder.host.release_cache import LoadedRelease, ServableModel
from larder.host.release_files import ReleaseFiles
from larder.host.snapstart import renew_after_restore

__all__ = [
    "DiskCache",
    "LoadedRelease",
    "ModelHost",
    "ReleaseFiles",
    "ServableModel",
    "in_background",
    "preload",
    "renew_after_restore",
]
