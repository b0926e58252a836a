"""Leaves out the images that a backbone makes NaN or infinity of, such as plain ones, and goes on with the others."""

from collections.abc import Callable
from typing import Final, TypeVar

from larder_training.classifier.data.scan import DatasetScan
from larder_training.classifier.features.extract import NotFinite

REASON: Final = "the backbone makes NaN or infinity of it"
MAX_SHARE: Final = 0.25  # of the images; with more of them, the backbone is at fault

T = TypeVar("T")


def with_usable_images(scan: DatasetScan, step: Callable[[DatasetScan], T]) -> T:
    """Runs ``step`` on a scan, and again without the images that it raises ``NotFinite`` for, until none is left.

    Features are cached, so that running it again costs little.

    Raises:
        NotFinite: These are more than ``MAX_SHARE`` of the images.
    """
    count = len(scan.samples)
    while True:
        try:
            return step(scan)
        except NotFinite as error:
            scan = scan.without(error.samples, REASON)
            if count - len(scan.samples) > MAX_SHARE * count:
                raise
