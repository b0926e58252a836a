"""The linear model turned round: each user is regressed on the users whose histories share most with his.

It is ``linear.py``'s regression of the transposed matrix, so a user's scores are a weighted sum of what his neighbours
had: user-based collaborative filtering (Herlocker et al., SIGIR 1999) with coefficients that are learnt together in
place of similarities, as SLIM (Ning and Karypis, ICDM 2011) and EASE (Steck, WWW 2019) learn them for items. It ranks
about as well as the regression of items and errs elsewhere, so a blend of both gains.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from larder_training.recommender.models.base import ItemToItem, TrainingData
from larder_training.recommender.models.ease import EASEConfig, fit_ease


@dataclass(frozen=True, slots=True)
class UserEASE:
    """``settings`` are those of the regression, with users and items in each other's place; an item of n users is
    then multiplied by ``n**item_exponent``: below 0, since what many neighbours had says less of this user.
    """

    settings: EASEConfig = field(default_factory=lambda: EASEConfig(ridge=3.0, dropout=0.6))
    item_exponent: float = -0.2

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> ItemToItem:
        """Each user's weights on others, and what multiplies them: here ``history`` is the weights, ``matrix`` what
        the neighbours had.
        """
        interactions = data.interactions
        weights = fit_ease(interactions.T.tocsr(), self.settings, advance).T.tocsr()
        popular = np.bincount(interactions.indices, minlength=interactions.shape[1]).astype(np.float64)
        outer = np.where(popular > 0, popular, 1.0) ** self.item_exponent
        return ItemToItem((interactions @ sp.diags_array(outer)).tocsr().astype(np.float32), weights.astype(np.float32))
