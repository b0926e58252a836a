"""MLServer: a custom runtime with the Open Inference Protocol, in which the image is base64 in JSON."""

import base64

from image_model import best, decoded, labels, session
from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class ImageClassifier(MLModel):
    """Classifies images."""

    async def load(self) -> bool:
        """Loads the graph."""
        self.graph, self.names = session(), labels()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Classifies the image in the first input."""
        data = base64.b64decode(payload.inputs[0].data[0])
        probabilities, _ = self.graph.run(["probabilities", "novelty"], {"image": decoded(data)})
        answer = [str(value) for value in best(probabilities[0], self.names).values()]
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("label", answer)])
