"""What a release's graph makes of images without labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from larder.classifier.image_decoding import decode
from larder.errors import InvalidRequest, RequestError
from larder.release.serving import ClassifierServing
from larder.release.side_columns import encode
from larder_training.classifier.features.extract import Pixels, run_graph
from larder_training.numerics.arrays import Floats
from larder_training.reporting.progress import Progress

_OUTPUTS: Final = ("embedding", "probabilities", "novelty")


@dataclass(frozen=True, slots=True)
class GraphOutputs:
    """The outputs of a classifier's graph, in the order of the images.

    Attributes:
        embeddings: ``[N, D]``.
        probabilities: ``[N, C]``, calibrated.
        ood_scores: ``[N]``.
    """

    embeddings: Floats
    probabilities: Floats
    ood_scores: Floats

    def __len__(self) -> int:
        """The number of images."""
        return len(self.ood_scores)

    def take(self, rows: NDArray[Any]) -> "GraphOutputs":
        """Those of some of the images."""
        return GraphOutputs(self.embeddings[rows], self.probabilities[rows], self.ood_scores[rows])

    def distinct(self) -> tuple[NDArray[np.intp], list[int]]:
        """The first row of each distinct image, and how often it came: the same image has the same embedding."""
        keys = [row.tobytes() for row in self.embeddings]
        repeats = Counter(keys)
        first = {key: position for position, key in reversed(list(enumerate(keys)))}
        return np.array(sorted(first.values()), np.intp), [repeats[keys[row]] for row in sorted(first.values())]


def ask(release: Path, serving: ClassifierServing, images: Sequence[Path], progress: Progress) -> GraphOutputs:
    """Run the graph of the release in a folder over image files.

    Raises InvalidRequest, which names the file, for one that is not an image.
    """
    if not images:
        raise InvalidRequest("There is no image to compare: give folders with images.")

    def load(position: int) -> Pixels:
        try:
            return decode(images[position].read_bytes(), serving.image)[None]
        except RequestError as error:
            raise InvalidRequest(f"{images[position]}: {error} Remove it, and try again.") from error

    missing = np.array(encode(serving.side, {}), np.float32)
    outputs = run_graph(
        (release / serving.file).read_bytes(),
        _OUTPUTS,
        load,
        len(images),
        side=np.tile(missing, (len(images), 1)) if serving.side else None,
        title="Asking the release",
        progress=progress,
    )
    return GraphOutputs(*outputs)
