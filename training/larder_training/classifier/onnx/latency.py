"""Latency of one image in float32 and in the release, measured in turns so that the ratio holds on a busy machine.

Times are in the manifest's ``training`` section and in the log only; the report and ``metrics.json`` are reproducible.
"""

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder_training.classifier.onnx.graph import session

ROUNDS: Final = 15  # the fastest counts: other processes can only slow it down


def milliseconds(graphs: dict[str, bytes], image: NDArray[np.uint8]) -> dict[str, float]:
    """The shortest time of ``session.run`` for each graph, in milliseconds of its one thread.

    Args:
        graphs: Bytes of the graphs, by name.
        image: ``[1, H, W, 3]``. Side information, if the graphs have it as an input, is all zeros.
    """
    running = {name: session(graph) for name, graph in graphs.items()}
    others = [value for value in next(iter(running.values())).get_inputs() if value.name != "image"]
    inputs = {"image": image, **{value.name: np.zeros((1, value.shape[1]), np.float32) for value in others}}
    best = dict.fromkeys(graphs, float("inf"))
    for opened in running.values():
        opened.run(None, inputs)
    for _ in range(ROUNDS):
        for name, opened in running.items():
            started = time.thread_time()
            opened.run(None, inputs)
            best[name] = min(best[name], 1000 * (time.thread_time() - started))
    return {name: round(best_time, 3) for name, best_time in best.items()}
