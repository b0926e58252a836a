"""MLServer: a custom runtime behind the Open Inference Protocol, which carries the photo as base64 in JSON."""

import base64

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from photo import best, decoded, labels, session


class Photos(MLModel):
    """Labels photos."""

    async def load(self) -> bool:
        """Opens the graph."""
        self.graph, self.names = session(), labels()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Labels the photo in the first input."""
        photo = base64.b64decode(payload.inputs[0].data[0])
        probabilities, _ = self.graph.run(["probabilities", "novelty"], {"image": decoded(photo)})
        answer = [str(value) for value in best(probabilities[0], self.names).values()]
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("label", answer)])
