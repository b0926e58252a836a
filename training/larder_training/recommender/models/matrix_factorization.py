"""Matrix factorisation: each user and each item is a short vector, and their product says how well they fit.

Two classics, both computed by the ``implicit`` library: weighted least squares by alternating between users and items
(Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008), and the order of pairs by
stochastic gradients (Rendle, Freudenthaler, Gantner and Schmidt-Thieme, "BPR: Bayesian Personalized Ranking from
Implicit Feedback", UAI 2009).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from larder_training.numerics.blas import single_threaded_blas
from larder_training.recommender.models.base import LatentFactors, TrainingData


@dataclass(frozen=True, slots=True)
class AlternatingLeastSquares:
    """Least squares on 1 for each pair with an event and 0 for all others, weighed by the pair's confidence.

    The confidence is 1 plus ``alpha`` times the entry of the interaction matrix, as in the paper. implicit's own
    ``alpha`` omits the 1: with weights that decay, an old interaction would count less than none.

    Each iteration solves for all users and then for all items; ``cg_steps`` of conjugate gradients from the previous
    solution cost a tenth of solving exactly (``cg_steps`` 0) and rank as well. The bits do not depend on the number of
    cores: rows are solved one by one, and BLAS runs on one thread.
    """

    factors: int = 64
    iterations: int = 15
    regularization: float = 0.01
    alpha: float = 1.0
    cg_steps: int = 3

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> LatentFactors:
        """Fits; ``advance`` is told 1 after each iteration. Memory: 4 bytes a factor of each user and item, and the
        affinities twice.
        """
        from implicit.cpu.als import AlternatingLeastSquares as Als  # type: ignore[import-untyped]  # it ships no types

        confidence = _float32(data.interactions)
        confidence.data = 1 + self.alpha * confidence.data
        with single_threaded_blas():  # also what implicit warns about, and rightly: ten times slower otherwise
            model = Als(
                factors=self.factors,
                iterations=self.iterations,
                regularization=self.regularization,
                use_cg=self.cg_steps > 0,
                random_state=data.seed,
            )
            model.cg_steps = self.cg_steps
            model.fit(confidence, show_progress=False, callback=lambda *_: advance(1))
        return _known(model, data.interactions)


@dataclass(frozen=True, slots=True)
class BayesianPersonalizedRanking:
    """Gradient steps that push an item of a user above one that is not his.

    A pass draws as many pairs as there are in the data, each against **one** other item, drawn by its popularity.
    implicit has no number of negatives a positive: k times the ``iterations`` meet each pair k times as often, each
    time with another. ``verify_negatives`` skips a drawn item that is the user's own. How often a user did what he did
    does not count here, only whether. One thread: several would race, and the bits would change.
    """

    factors: int = 64
    iterations: int = 100
    learning_rate: float = 0.05
    regularization: float = 0.01
    verify_negatives: bool = True

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> LatentFactors:
        """Fits; ``advance`` is told 1 after each pass. The last factor is the item's bias, 1 on the users' side.
        Where the steps were too large to end anywhere (a high learning rate), all scores are 0.
        """
        from implicit.cpu.bpr import BayesianPersonalizedRanking as Bpr  # type: ignore[import-untyped]  # no types
        from implicit.recommender_base import ModelFitError  # type: ignore[import-untyped]  # no types

        if not data.interactions.nnz:
            return _zeros(data.interactions, self.factors)
        with single_threaded_blas():
            model = Bpr(
                factors=self.factors,
                iterations=self.iterations,
                learning_rate=self.learning_rate,
                regularization=self.regularization,
                verify_negative_samples=self.verify_negatives,
                num_threads=1,
                random_state=data.seed,
            )
            try:
                model.fit(_float32(data.interactions), show_progress=False, callback=lambda *_: advance(1))
            except ModelFitError:
                # A step that was too large: the factors are not finite, and say nothing.
                return _zeros(data.interactions, self.factors)
        return _known(model, data.interactions)


def _float32(interactions: sp.csr_array) -> sp.csr_matrix:
    """The one form that implicit takes without a warning: a float32 csr_matrix with sorted 32-bit indices."""
    matrix = sp.csr_matrix(interactions, dtype=np.float32)
    matrix.sort_indices()
    return matrix


def _known(model: Any, interactions: sp.csr_array) -> LatentFactors:  # noqa: ANN401  # implicit's models have no types
    """The factors, with zeros for who and what has no event: implicit leaves a bias, or what it began with."""
    user, item = (np.array(each, np.float32) for each in (model.user_factors, model.item_factors))
    user[np.diff(interactions.indptr) == 0] = 0
    item[np.bincount(interactions.indices, minlength=interactions.shape[1]) == 0] = 0
    return LatentFactors(user, item)


def _zeros(interactions: sp.csr_array, factors: int) -> LatentFactors:
    users, items = interactions.shape
    return LatentFactors(np.zeros((users, factors), np.float32), np.zeros((items, factors), np.float32))
