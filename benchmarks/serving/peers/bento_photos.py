"""BentoML: a service with one worker and an image as root input, so that the body is the photo itself."""

import bentoml
from photo import best, fitted, labels, session
from PIL.Image import Image


@bentoml.service(workers=1, threads=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Photos:
    """Labels photos."""

    def __init__(self) -> None:
        self.graph, self.names = session(), labels()

    @bentoml.api
    def classify(self, image: Image, /) -> dict[str, object]:
        """Labels one photo."""
        probabilities, _ = self.graph.run(["probabilities", "novelty"], {"image": fitted(image)})
        return best(probabilities[0], self.names)
