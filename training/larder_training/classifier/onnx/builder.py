"""Collects the nodes and constants of an ONNX graph that is written by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike
from onnx import helper, numpy_helper

from larder_training.classifier.onnx.graph import OPSET


@dataclass
class GraphBuilder:
    """Collects nodes and constants; each call names one tensor and returns that name.

    Attributes:
        nodes: The nodes so far, in the order in which they run.
        constants: The constants so far.
    """

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, op: str, *inputs: str, to: str, **attributes: Any) -> str:  # noqa: ANN401 - as helper.make_node takes them
        """Appends a node with one output, ``to``, which also names the node."""
        self.nodes.append(helper.make_node(op, list(inputs), [to], name=to, **attributes))
        return to

    def constant(self, name: str, value: object, dtype: DTypeLike = np.float32) -> str:
        """Adds a constant of this type."""
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def model(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """The graph with these inputs and outputs."""
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
