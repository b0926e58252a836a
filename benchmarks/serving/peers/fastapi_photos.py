"""FastAPI and onnxruntime. The graph runs in the event loop: with one core a thread would only add a hand-over."""

from fastapi import FastAPI, Request
from photo import best, decoded, labels, session

app = FastAPI()
graph, names = session(), labels()


@app.post("/classify")
async def classify(request: Request) -> dict[str, object]:
    """Labels the photo in the body."""
    probabilities, _ = graph.run(["probabilities", "novelty"], {"image": decoded(await request.body())})
    return best(probabilities[0], names)
