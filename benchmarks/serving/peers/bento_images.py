"""BentoML: a service with one worker and an image as root input, so that the body is the image."""

import bentoml
from image_model import best, fitted, labels, session
from PIL.Image import Image


@bentoml.service(workers=1, threads=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class ImageClassifier:
    """Classifies images."""

    def __init__(self) -> None:
        self.graph, self.names = session(), labels()

    @bentoml.api
    def classify(self, image: Image, /) -> dict[str, object]:
        """Classifies one image."""
        probabilities, _ = self.graph.run(["probabilities", "novelty"], {"image": fitted(image)})
        return best(probabilities[0], self.names)
