"""A weighted sum of components, each in its own unit."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.ensemble.components import Component


@dataclass(frozen=True, slots=True, eq=False)
class WeightedEnsemble:
    """A scorer: the sum over ``weights`` of each weight times its component's scores.

    Attributes:
        components: Components by name.
        weights: Weights by component, added in this order; a component of weight 0 is not computed.
    """

    components: Mapping[str, Component]
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        """Raises ValueError if a weight names an unknown component."""
        if unknown := set(self.weights) - set(self.components):
            known = ", ".join(self.components)
            raise ValueError(f"no component is named {', '.join(sorted(unknown))}: name one of {known}")

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """``[len(users), items]``; raises ValueError if all weights are 0."""
        total: NDArray[np.float32] | None = None
        for name, weight in self.weights.items():
            if weight:
                scores = self.components[name].scores(users, weight)
                total = scores if total is None else np.add(total, scores, out=total)
        if total is None:
            raise ValueError("all weights are 0: give one component a weight above 0")
        return total
