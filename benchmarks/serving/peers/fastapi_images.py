"""FastAPI and onnxruntime. The graph runs in the event loop: with one core, a thread would only add overhead."""

from fastapi import FastAPI, Request
from image_model import best, decoded, labels, session

app = FastAPI()
graph, names = session(), labels()


@app.post("/classify")
async def classify(request: Request) -> dict[str, object]:
    """Classifies the image in the body."""
    probabilities, _ = graph.run(["probabilities", "novelty"], {"image": decoded(await request.body())})
    return best(probabilities[0], names)
