"""A recommender behind the protocol: user ids in, item ids and scores out."""

from collections.abc import Mapping, Sequence
from typing import Final

from larder.compat.open_inference.messages import InferenceRequest
from larder.compat.open_inference.specification import NEUTRAL, TensorSpec, batch_of, column
from larder.compat.open_inference.tensors import BYTES, FP32, InferenceTensor, floats
from larder.errors import InvalidRequest, RequestError
from larder.recommender import RECOMMEND, Recommender, read_parameters, read_query

USER: Final = "user"
ITEM: Final = "item"
SESSION: Final = "session"
ITEMS: Final = "items"
SCORES: Final = "scores"
_NO_CLASSES: Mapping[str, Sequence[str]] = {}
_NO_PROPERTIES: Mapping[str, str] = {}
_PARAMETERS: Final = RECOMMEND - {USER, ITEM, SESSION, "columns", "promotions"}


class RecommenderModel:
    """A release of a recommender.

    ``user`` and ``item`` have one id for each row (BYTES, shape [N] or [N,1]), ``session`` several, the newest last
    (shape [N,any]). An empty id stands for none. The parameters of the request are those of the query string of
    ``GET /v1/models/{model}/recommend``. Attributes are those of ``InferenceModel``.
    """

    platform = "larder_recommender"
    properties = _NO_PROPERTIES
    inputs: Sequence[TensorSpec] = (
        TensorSpec(USER, BYTES, (1,), optional=True),
        TensorSpec(ITEM, BYTES, (1,), optional=True),
        TensorSpec(SESSION, BYTES, (-1,), optional=True),
    )
    outputs: Sequence[TensorSpec] = (TensorSpec(ITEMS, BYTES, (-1,)), TensorSpec(SCORES, FP32, (-1,)))
    classes = _NO_CLASSES

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender

    def infer(self, request: InferenceRequest) -> Mapping[str, InferenceTensor]:
        """The best items for each row, best first. Rows with fewer items than others end with empty ids and score 0."""
        count = batch_of(request, [spec.name for spec in self.inputs])
        users, items = (_ids(column(request, name, count), name) for name in (USER, ITEM))
        sessions = _sessions(request.inputs.get(SESSION), count)
        shared = read_parameters(_texts(request.parameters))
        for name in shared:
            if name not in _PARAMETERS:
                raise InvalidRequest(
                    f"parameter {name[:60]!r} is not one of a recommender: use {', '.join(sorted(_PARAMETERS))}."
                )
        queries = (
            {**shared, **{name: ids for name, ids in zip((USER, ITEM, SESSION), row, strict=True) if ids}}
            for row in zip(users, items, sessions, strict=True)
        )
        rows = [self._answer(query, number) for number, query in enumerate(queries, 1)]
        width = max(map(len, rows))
        padded = [pair for row in rows for pair in (*row, *[(b"", 0.0)] * (width - len(row)))]
        return {
            ITEMS: InferenceTensor(ITEMS, BYTES, (count, width), texts=[item for item, _ in padded]),
            SCORES: floats(SCORES, (count, width), (score for _, score in padded)),
        }

    def _answer(self, query: Mapping[str, object], row: int) -> list[tuple[bytes, float]]:
        try:
            answer = self._recommender.recommend(read_query(query, RECOMMEND))
        except RequestError as error:
            raise InvalidRequest(f"row {row}: {error}") from error
        return [(item.id.encode(), item.score or 0.0) for item in answer.items]


def _ids(texts: Sequence[bytes], name: str) -> list[str]:
    try:
        return [text.decode() for text in texts]
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"input {name} has an id that is not UTF-8: send the ids of the training data.") from error


def _sessions(tensor: InferenceTensor | None, count: int) -> list[list[str]]:
    """The items of each row's session, without the empty ids that fill up shorter ones."""
    if tensor is None:
        return [[]] * count
    if tensor.datatype != BYTES or len(tensor.shape) != 2:
        raise InvalidRequest(
            f"input {SESSION} has datatype {tensor.datatype} and shape {list(tensor.shape)}: send BYTES of shape "
            "[N,any]."
        )
    ids, width = _ids(tensor.texts, SESSION), tensor.shape[1]
    return [[item for item in ids[row * width : (row + 1) * width] if item] for row in range(count)]


def _texts(parameters: Mapping[str, object]) -> dict[str, str]:
    """The parameters as the query string has them; those that concern queues only are left out."""
    texts = {}
    for name, value in parameters.items():
        if name in NEUTRAL:
            continue
        if isinstance(value, bool):
            texts[name] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            texts[name] = str(value)
        else:
            raise InvalidRequest(f"parameter {name[:60]!r} is {value!r:.60}: send a string, a number, true or false.")
    return texts
