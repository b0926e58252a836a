"""Matrix factorization: users and items are vectors, and a score is their inner product.

Two models, both fitted by the ``implicit`` library: ALS, weighted least squares that alternate between users and items
(Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008), and BPR, stochastic
gradient descent on the order of pairs (Rendle, Freudenthaler, Gantner and Schmidt-Thieme, "BPR: Bayesian Personalized
Ranking from Implicit Feedback", UAI 2009).
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
    """Least squares on 1 for each pair with an event and 0 for all others, weighted by the pair's confidence.

    The confidence is 1 plus ``alpha`` times the entry of the interaction matrix, as in the paper. implicit's own
    ``alpha`` omits the 1: with weights that decay, an old interaction would count less than none.

    The result does not depend on the number of cores: rows are solved one by one, and BLAS runs on one thread.

    Attributes:
        factors: Length of the vectors.
        iterations: Each solves for all users, then for all items.
        regularization: Ridge.
        alpha: Weight of the interaction matrix in the confidence.
        cg_steps: Conjugate gradient steps from the previous solution: a tenth of the time of solving exactly
            (0 steps), with the same ranking quality.
    """

    factors: int = 64
    iterations: int = 15
    regularization: float = 0.01
    alpha: float = 1.0
    cg_steps: int = 3

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> LatentFactors:
        """Fits; ``advance`` receives 1 after each iteration.

        Memory: 4 bytes per factor of each user and item, and two copies of the interaction matrix.
        """
        from implicit.cpu.als import AlternatingLeastSquares as Als  # type: ignore[import-untyped]  # it ships no types

        confidence = _float32(data.interactions)
        confidence.data = 1 + self.alpha * confidence.data
        with single_threaded_blas():  # implicit is ten times slower otherwise, and warns
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
    """Gradient steps that rank an item of a user above an item without an event of the user.

    An iteration draws as many pairs as the data has, each with **one** negative item, drawn by popularity. More
    negatives per pair need more iterations. Only whether a pair has an event counts, not the interaction matrix's
    value. It runs on one thread, since several would race and change the bits.

    Attributes:
        factors: Length of the vectors.
        iterations: Passes over the data.
        learning_rate: Of the gradient steps.
        regularization: Of the factors.
        verify_negatives: Whether to skip a negative item that the user has an event with.
    """

    factors: int = 64
    iterations: int = 100
    learning_rate: float = 0.05
    regularization: float = 0.01
    verify_negatives: bool = True

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> LatentFactors:
        """Fits; ``advance`` receives 1 after each iteration.

        The last factor is the item's bias, and 1 for users. If the fit diverges (a learning rate that is too high), all
        scores are 0.
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
                # The fit diverged: the factors are not finite.
                return _zeros(data.interactions, self.factors)
        return _known(model, data.interactions)


def _float32(interactions: sp.csr_array) -> sp.csr_matrix:
    """The form that implicit takes without a warning: a float32 csr_matrix with sorted 32-bit indices."""
    matrix = sp.csr_matrix(interactions, dtype=np.float32)
    matrix.sort_indices()
    return matrix


def _known(model: Any, interactions: sp.csr_array) -> LatentFactors:  # noqa: ANN401  # implicit's models have no types
    """The factors, with zeros for users and items without events: implicit leaves their bias or initial values."""
    user, item = (np.array(factors, np.float32) for factors in (model.user_factors, model.item_factors))
    user[np.diff(interactions.indptr) == 0] = 0
    item[np.bincount(interactions.indices, minlength=interactions.shape[1]) == 0] = 0
    return LatentFactors(user, item)


def _zeros(interactions: sp.csr_array, factors: int) -> LatentFactors:
    users, items = interactions.shape
    return LatentFactors(np.zeros((users, factors), np.float32), np.zeros((items, factors), np.float32))
