"""Scans the images of a training, and leaves out those that a backbone makes NaN or infinity of, such as plain ones."""

from collections.abc import Callable
from typing import Final, TypeVar

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import DatasetScan, scan_images
from larder_training.classifier.data.stated_groups import stated_groups
from larder_training.classifier.features.extract import NotFinite

REASON: Final = "the backbone makes NaN or infinity of it"
MAX_SHARE: Final = 0.25  # of the images; with more of them, the backbone is at fault

T = TypeVar("T")


def scan_data(context: ClassifierContext) -> DatasetScan:
    """Reads and decodes the images that the options name, and finds those that stay together."""
    options = context.options
    dataset = read_dataset(
        options.data,
        options.label_attribute,
        options.columns,
        options.boxes,
        multi_label=options.multi_label,
        label_separator=options.label_separator,
    )
    return scan_images(dataset, context.progress, stated_groups(options.groups, dataset))


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
