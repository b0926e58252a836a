"""What a release takes and returns, as the protocol describes models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from larder.compat.open_inference.messages import InferenceRequest
from larder.compat.open_inference.tensors import InferenceTensor
from larder.errors import InvalidRequest

MAX_BATCH: Final = 64
# Parameters that clients send for sequences and queues, and MLServer's for text: they change no answer here.
NEUTRAL: Final = frozenset({"priority", "timeout", "sequence_id", "sequence_start", "sequence_end", "content_type"})
_CONFIG_TYPES: Final = {"BYTES": "TYPE_STRING"}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output of a model.

    Attributes:
        name: Its name.
        datatype: Its datatype.
        dims: The dimensions after that of the batch; -1 for any length.
        optional: Whether a request may leave it out.
    """

    name: str
    datatype: str
    dims: tuple[int, ...]
    optional: bool = False

    def metadata(self) -> dict[str, object]:
        """As the metadata of a model list it: with the dimension of the batch."""
        return {"name": self.name, "datatype": self.datatype, "shape": [-1, *self.dims]}

    def config(self) -> dict[str, object]:
        """As Triton's configuration of a model lists it: without the dimension of the batch."""
        datatype = _CONFIG_TYPES.get(self.datatype, f"TYPE_{self.datatype}")
        entry: dict[str, object] = {"name": self.name, "data_type": datatype, "dims": list(self.dims)}
        return {**entry, "optional": True} if self.optional else entry


class InferenceModel(Protocol):
    """A release, as the protocol sees it.

    Attributes:
        platform: The name of what computes its outputs.
        properties: What clients may want to know besides inputs and outputs.
        inputs: Its inputs.
        outputs: Its outputs.
        classes: The names of the classes of an output, by the name of the output.
    """

    platform: str
    properties: Mapping[str, str]
    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    classes: Mapping[str, Sequence[str]]

    def infer(self, request: InferenceRequest) -> Mapping[str, InferenceTensor]:
        """All outputs by name; raises RequestError."""


def batch_of(request: InferenceRequest, names: Sequence[str]) -> int:
    """The number of rows that the inputs have alike.

    Raises InvalidRequest if an input is not one of ``names``, if they differ, or if they are more than the limit.
    """
    for name in request.inputs:
        if name not in names:
            raise InvalidRequest(f"{name[:60]!r} is not an input of this model: use {', '.join(names)}.")
    rows = {tensor.shape[0] if tensor.shape else 0 for tensor in request.inputs.values()}
    if len(rows) > 1:
        raise InvalidRequest("The inputs have batches of different lengths: send as many rows in each.")
    count = rows.pop() if rows else 1
    if not 1 <= count <= MAX_BATCH:
        raise InvalidRequest(f"The batch has {count} rows: send 1 to {MAX_BATCH} in one request.")
    return count


def column(request: InferenceRequest, name: str, count: int) -> Sequence[bytes]:
    """The elements of an input with one for each row, BYTES of shape [N] or [N,1]; empty if it was not sent."""
    tensor = request.inputs.get(name)
    if tensor is None:
        return [b""] * count
    if tensor.datatype != "BYTES" or tensor.shape not in ((count,), (count, 1)):
        raise InvalidRequest(
            f"input {name} has datatype {tensor.datatype} and shape {list(tensor.shape)}: send BYTES of shape [N,1]."
        )
    return tensor.texts
