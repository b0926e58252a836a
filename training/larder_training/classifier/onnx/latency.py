"""How long one photo takes in float and in the release: measured in turns, so that their ratio holds on a busy machine.

Times are no part of the report or of ``metrics.json``, whose bytes are the same each time; they stand in the manifest's
``training`` section and in the log.
"""

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder_training.classifier.onnx.graph import session

ROUNDS: Final = 15  # the best of them counts: whatever else runs can only add


def milliseconds(graphs: dict[str, bytes], image: NDArray[np.uint8]) -> dict[str, float]:
    """The least time of ``session.run`` for each graph, with the input ``image`` ``[1, H, W, 3]``.

    It is that of the one thread that runs it: what else the machine does is not counted. Side
    information, where the graphs take any, is all zeros.
    """
    running = {name: session(graph) for name, graph in graphs.items()}
    others = [value for value in next(iter(running.values())).get_inputs() if value.name != "image"]
    inputs = {"image": image, **{value.name: np.zeros((1, value.shape[1]), np.float32) for value in others}}
    best = dict.fromkeys(graphs, float("inf"))
    for each in running.values():
        each.run(None, inputs)
    for _ in range(ROUNDS):
        for name, each in running.items():
            begun = time.thread_time()
            each.run(None, inputs)
            best[name] = min(best[name], 1000 * (time.thread_time() - begun))
    return {name: round(found, 3) for name, found in best.items()}
