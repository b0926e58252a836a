"""User EASE: each user is regressed on the users with the most similar histories.

It is EASE of the transposed interaction matrix, so that a user's scores are a weighted sum of the neighbours'
interactions: user-based collaborative filtering (Herlocker et al., SIGIR 1999) with fitted coefficients instead of
similarities, as SLIM (Ning and Karypis, ICDM 2011) and EASE (Steck, WWW 2019) fit them for items. It ranks about as
well as EASE and makes other errors, so that an ensemble of both is better.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from larder_training.recommender.models.base import ItemToItem, TrainingData
from larder_training.recommender.models.ease import EASEConfig, fit_ease


@dataclass(frozen=True, slots=True)
class UserEASE:
    """The estimator.

    Attributes:
        settings: Of the regression, with users and items exchanged.
        item_exponent: Scores of an item of n users are multiplied by ``n**item_exponent``; below 0, since popular
            items say less about a user.
    """

    settings: EASEConfig = field(default_factory=lambda: EASEConfig(ridge=3.0, dropout=0.6))
    item_exponent: float = -0.2

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> ItemToItem:
        """Fits the weights. In the scorer, ``history`` has the users' weights and ``matrix`` the interactions."""
        interactions = data.interactions
        weights = fit_ease(interactions.T.tocsr(), self.settings, advance).T.tocsr()
        popular = np.bincount(interactions.indices, minlength=interactions.shape[1]).astype(np.float64)
        outer = np.where(popular > 0, popular, 1.0) ** self.item_exponent
        return ItemToItem((interactions @ sp.diags_array(outer)).tocsr().astype(np.float32), weights.astype(np.float32))
