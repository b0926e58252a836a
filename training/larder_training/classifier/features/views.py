"""What a graph is shown of each photo: as it is served, mirrored, or changed; each view has its key in the cache."""

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
    """A photo as it is served where ``strength`` is "none", else its changed copy of that number."""

    strength: AugmentationName = "none"
    copy: int = 0
    mirrored: bool = False


PLAIN: Final = View()


@dataclass(frozen=True, slots=True)
class Views:
    """The same views of each photo. ``views(i)`` are those of photo i, uint8 ``[len(wanted), H, W, 3]``."""

    samples: Sequence[Sample]
    image_spec: ImageSpec
    per_image: tuple[View, ...] = (PLAIN,)
    seed: int = 0

    def __call__(self, position: int) -> Pixels:
        """All views of one photo."""
        return self.load(position, range(len(self.per_image)))

    def load(self, position: int, numbers: Sequence[int]) -> Pixels:
        """The views of these numbers of one photo; its file is decoded at most twice."""
        checked = self.samples[position]
        data = _read(checked)
        plain_views = whole = None
        made = np.empty((len(numbers), self.image_spec.height, self.image_spec.width, 3), np.uint8)
        for slot, number in enumerate(numbers):
            view = self.per_image[number]
            if view.strength == "none":
                plain_views = shown = decode(data, self.image_spec) if plain_views is None else plain_views
            else:
                whole = decode(data, augmentation.with_margin(self.image_spec)) if whole is None else whole
                shown = augmentation.augment(
                    whole, self.image_spec, view.strength, copy=view.copy, seed=self.seed, digest=checked.digest
                )
            made[slot] = shown[:, ::-1] if view.mirrored else shown
        return made

    def keys(self, position: int) -> list[bytes]:
        """The cache's key of each view of one photo: what the view is made from, with every number that it takes."""
        digest = self.samples[position].digest
        return [cache.cache_key(digest, self._parameters(view)) for view in self.per_image]

    def _parameters(self, view: View) -> str:
        if view.strength == "none":
            return f"plain {view.mirrored}"
        return f"{asdict(augmentation.STRENGTHS[view.strength])} {view.copy} {view.mirrored} {self.seed}"


def plain_views(photos: Sequence[Sample], image: ImageSpec) -> Views:
    """Each photo as it is served."""
    return Views(photos, image)


def _read(checked: Sample) -> bytes:
    try:
        return checked.image.path.read_bytes()
    except OSError as error:
        raise InvalidRequest(
            f"{checked.image.name} went away during the training. Put it back and start again."
        ) from error
