"""Views of an image: as it is served, mirrored, or augmented. Each view has a key in the feature cache."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.classifier.image_decoding import decode
from larder.errors import InvalidRequest
from larder.release.serving import ImageSpec
from larder_training.classifier.config.options import AugmentationName
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.features import augmentation, cache

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class View:
    """One view of an image.

    Attributes:
        strength: Strength of the augmentation; "none" is the image as it is served.
        copy: Number of the augmented copy.
        mirrored: Whether the view is mirrored.
    """

    strength: AugmentationName = "none"
    copy: int = 0
    mirrored: bool = False


PLAIN: Final = View()


@dataclass(frozen=True, slots=True)
class Views:
    """The same views of each image; ``views(i)`` are those of image i, uint8 ``[len(per_image), H, W, 3]``.

    Attributes:
        samples: The images.
        image_spec: Size and decoding.
        per_image: The views of each image.
        seed: Random seed of the augmentation.
    """

    samples: Sequence[Sample]
    image_spec: ImageSpec
    per_image: tuple[View, ...] = (PLAIN,)
    seed: int = 0

    def __call__(self, position: int) -> Pixels:
        """All views of one image."""
        return self.load(position, range(len(self.per_image)))

    def load(self, position: int, numbers: Sequence[int]) -> Pixels:
        """Some views of one image, by their position in ``per_image``; its file is decoded at most twice."""
        sample = self.samples[position]
        data = _read(sample)
        plain = whole = None
        views = np.empty((len(numbers), self.image_spec.height, self.image_spec.width, 3), np.uint8)
        for slot, number in enumerate(numbers):
            view = self.per_image[number]
            if view.strength == "none":
                plain = view_pixels = decode(data, self.image_spec) if plain is None else plain
            else:
                whole = decode(data, augmentation.with_margin(self.image_spec)) if whole is None else whole
                view_pixels = augmentation.augment(
                    whole, self.image_spec, view.strength, copy=view.copy, seed=self.seed, digest=sample.digest
                )
            views[slot] = view_pixels[:, ::-1] if view.mirrored else view_pixels
        return views

    def keys(self, position: int) -> list[bytes]:
        """The cache key of each view of one image, from its digest and all parameters of the view."""
        digest = self.samples[position].digest
        return [cache.cache_key(digest, self._parameters(view)) for view in self.per_image]

    def _parameters(self, view: View) -> str:
        if view.strength == "none":
            return f"plain {view.mirrored}"
        return f"{asdict(augmentation.STRENGTHS[view.strength])} {view.copy} {view.mirrored} {self.seed}"


def plain_views(samples: Sequence[Sample], image: ImageSpec) -> Views:
    """One view of each image: as it is served."""
    return Views(samples, image)


def _read(sample: Sample) -> bytes:
    try:
        return sample.image.path.read_bytes()
    except OSError as error:
        raise InvalidRequest(
            f"{sample.image.name} cannot be read any more. Restore the file and start the training again."
        ) from error
