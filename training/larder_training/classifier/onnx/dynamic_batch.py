"""Frees the batch of a graph that was exported for batches of one size.

Such a graph states the size in its input, and often again in constants: the target of a Reshape, a class token that is
expanded, a constant that is concatenated. Each is replaced by the size of the batch that comes in. Whether the result
is right is decided by running it (``compare_batches``), not by these rules.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference

from larder_training.classifier.onnx.graph import session, to_bytes

BATCHES: Final = (2, 5)
TOLERANCE: Final = 1e-3  # of the largest feature: kernels sum in another order in another batch

_BATCH: Final = "larder.batch"  # int64 [1]: the size of the batch

Outcome = Literal["equal", "different", "fails", "not finite"]
# Which dimension of a Reshape without -1 and without the batch in front grows with the batch: none, the first, or the
# second of three and more (T, N, D: the order of PyTorch's attention).
Growing = Literal["none", "first", "second"]
_GROWING: Final[Sequence[Growing]] = ("none", "first", "second")


def compare_batches(model: onnx.ModelProto, images: NDArray[np.uint8]) -> Outcome:
    """Runs a feature graph on batches of 1, 2 and 5, and compares them with one image at a time.

    Args:
        model: A graph ``image`` uint8 ``[N, H, W, 3]`` -> ``features`` ``[N, D]``.
        images: uint8 ``[5, H, W, 3]``.

    Returns:
        "fails" if a batch does not run or has another number of rows, "not finite" if the graph makes NaN or infinity
        of each image, "different" if an image's features depend on the others of its batch, else "equal".
    """
    try:
        running = session(to_bytes(model), optimise=True)
        together = [running.run(["features"], {"image": images[:size]})[0] for size in BATCHES]
        single = np.concatenate([running.run(["features"], {"image": image[None]})[0] for image in images])
    except Exception:  # noqa: BLE001  # onnxruntime raises all kinds of errors on shapes that do not fit
        return "fails"
    if len(single) != len(images) or any(len(rows) != size for rows, size in zip(together, BATCHES, strict=True)):
        return "fails"
    if not np.isfinite(single).all(axis=1).any():
        return "not finite"
    limit = TOLERANCE * float(np.abs(np.nan_to_num(single)).max() + 1e-6)
    same = all(np.allclose(rows, single[: len(rows)], rtol=0, atol=limit, equal_nan=True) for rows in together)
    return "equal" if same else "different"


def free_batch(model: onnx.ModelProto, entry: str, batch: int) -> Iterator[onnx.ModelProto]:
    """Copies of a graph, each with its constants freed in another way, the most likely first.

    Args:
        model: The graph, in the form of ``file.read_graph``.
        entry: The name of its image input.
        batch: The size that it was exported for.
    """
    done: list[bytes] = []
    for growing in _GROWING:
        freed = _Freed(model, batch, growing).rewrite(entry)
        if (data := to_bytes(freed)) not in done:
            done.append(data)
            yield freed


class _Freed:
    """One way to free the constants of a graph."""

    def __init__(self, model: onnx.ModelProto, batch: int, growing: Growing) -> None:
        self._model = onnx.ModelProto()
        self._model.CopyFrom(model)
        self._batch, self._growing = batch, growing
        graph = self._model.graph
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        inferred = shape_inference.infer_shapes(model, data_prop=True).graph
        self._first = {
            value.name: value.type.tensor_type.shape.dim[0].dim_value
            for value in (*inferred.input, *inferred.value_info, *inferred.output)
            if value.type.tensor_type.shape.dim
        }
        self._added: list[onnx.NodeProto] = []
        self._made = 0

    def rewrite(self, entry: str) -> onnx.ModelProto:
        graph = self._model.graph
        nodes: list[onnx.NodeProto] = []
        for node in graph.node:
            self._rewrite(node)
            nodes += [*self._added, node]
            self._added = []
        del graph.node[:]
        graph.node.append(helper.make_node("Shape", [entry], [_BATCH], end=1))
        graph.node.extend(nodes)
        for value in (*graph.input, *graph.output):
            if value.type.tensor_type.shape.dim:
                value.type.tensor_type.shape.dim[0].dim_param = "N"
        del graph.value_info[:]
        return self._model

    def _rewrite(self, node: onnx.NodeProto) -> None:
        if node.op_type == "Reshape":
            self._reshape(node)
        elif node.op_type == "Expand" or (node.op_type == "Tile" and node.input[0] in self._constants):
            target = self._values(node.input[1])
            if target is not None and target[:1] == [self._batch]:
                node.input[1] = self._with_batch(target[1:])
        elif node.op_type == "Concat":
            self._concatenate(node)

    def _reshape(self, node: onnx.NodeProto) -> None:
        target = self._values(node.input[1])
        zeros = any(attribute.name == "allowzero" and attribute.i for attribute in node.attribute)
        if not target or zeros or node.input[0] in self._constants:
            return
        if target[0] == self._batch:
            same = self._first.get(node.input[0]) == self._batch  # 0 keeps the first dimension, which is the batch
            node.input[1] = self._constant([0, *target[1:]]) if same else self._with_batch(target[1:])
        elif self._growing != "none" and min(target) > 0:
            position = 1 if self._growing == "second" and len(target) > 2 else 0
            target[position] = -1
            node.input[1] = self._constant(target)

    def _concatenate(self, node: onnx.NodeProto) -> None:
        """A constant next to tensors of the batch, as a class token is, is repeated for each image."""
        axis = next(attribute.i for attribute in node.attribute if attribute.name == "axis")
        fixed = [name in self._constants for name in node.input]
        if axis == 0 or all(fixed):
            return
        for slot, name in enumerate(node.input):
            tensor = self._constants.get(name)
            if tensor is not None and len(tensor.dims) > 1 and tensor.dims[0] == self._batch:
                first = numpy_helper.to_array(tensor)[:1]
                expanded = self._name()
                source = self._store(first)
                self._added.append(
                    helper.make_node("Expand", [source, self._with_batch([1] * (first.ndim - 1))], [expanded])
                )
                node.input[slot] = expanded

    def _values(self, name: str) -> list[int] | None:
        tensor = self._constants.get(name)
        return None if tensor is None else [int(value) for value in numpy_helper.to_array(tensor).ravel()]

    def _with_batch(self, rest: Sequence[int]) -> str:
        """A tensor with the batch, then these numbers."""
        joined = self._name()
        self._added.append(helper.make_node("Concat", [_BATCH, self._constant(rest)], [joined], axis=0))
        return joined

    def _constant(self, values: Sequence[int]) -> str:
        return self._store(np.array(values, np.int64))

    def _store(self, values: NDArray[np.generic]) -> str:
        name = self._name()
        self._model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _name(self) -> str:
        self._made += 1
        return f"larder.batch.{self._made}"
