"""Recommendations from profiles alone: ridge regression of users' interactions on their profiles.

Profile columns are one-hot (numbers by their bin), so that the model adds the effects of columns, and also predicts
combinations of values that no user has. If ``fit`` gets an item model, it regresses that model's predictions for each
user instead of the user's interactions: with few users per profile, single purchases are mostly noise, which the
predictions average out. For a linear model this is cheap, since ``X' (A B) = (X' A) B``: the attribute mapping of
Gantner et al. ("Learning Attribute-to-Feature Mappings for Cold-Start Recommendations", ICDM 2010), in the space of the
linear model instead of latent factors.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from larder_training.numerics.topk import blocks
from larder_training.recommender.data.columns.profiles import Profiles
from larder_training.recommender.models.base import ItemToItem, TrainingData


@dataclass(frozen=True, slots=True)
class ProfileModel:
    """Settings of the regression.

    Attributes:
        prior_users: The ridge, in users: a value that this many users have gets about half of its effect.
    """

    prior_users: float = 300.0

    def fit(
        self, data: TrainingData, profiles: Profiles, rows: NDArray[np.int64], model: ItemToItem | None = None
    ) -> "ProfileScorer":
        """Fits to the users of ``data`` who have events. Memory is 24 bytes per pair of an item and a column's value.

        Args:
            data: Its ``interactions`` are regressed without a ``model``.
            profiles: Profiles of users.
            rows: int64 ``[users]``: row of each user in ``profiles``; -1 without one, which changes only the mean.
            model: Item model with the histories of the same users; ``history @ matrix`` is regressed.
        """
        history = data.interactions if model is None else model.history
        known = np.diff(history.indptr) > 0
        users = np.flatnonzero(known & (rows >= 0))
        encoding = Encoding.of(profiles, rows[users])
        values = len(encoding.center)
        mean = np.asarray(history.sum(axis=0), np.float64)[None] / max(int(known.sum()), 1)
        system, sums = self.prior_users * np.eye(values), np.zeros((values, history.shape[1]))
        for block in blocks(users.size, values):
            encoded = encoding.encode(rows[users[block]])
            system += encoded.T @ encoded
            sums += (history[users[block]].T @ encoded).T
        if model is not None:
            mean, sums = mean @ model.matrix, sums @ model.matrix
        return ProfileScorer(encoding, mean.ravel(), np.linalg.solve(system, sums).astype(np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class ProfileScorer:
    """A fitted regression.

    Attributes:
        encoding: One-hot encoding of profiles.
        mean: ``[items]``: mean over all users with events.
        coefficients: ``[values, items]``.
    """

    encoding: "Encoding"
    mean: NDArray[np.float64]
    coefficients: NDArray[np.float64]

    def scores_of_profiles(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """``[len(rows), items]`` for these rows of the profiles, in the unit of the regressed values.

        A negative row means no profile. Missing columns of a profile have no effect.
        """
        scores: NDArray[np.float64] = self.mean + self.encoding.encode(rows) @ self.coefficients
        return scores.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """Centred one-hot encoding of profiles.

    Attributes:
        labels: int64 ``[profiles, columns]``: index of each column's value in the encoding; -1 if it is missing.
        column: ``[values]``: column of each value.
        center: ``[values]``: share of each value among the profiles that have its column.
    """

    labels: NDArray[np.int64]
    column: NDArray[np.int64]
    center: NDArray[np.float64]

    @classmethod
    def of(cls, profiles: Profiles, rows: NDArray[np.int64]) -> "Encoding":
        """The encoding of ``profiles``, with the shares of ``rows``."""
        columns = [labels.astype(np.int64) for _, labels in sorted(profiles.labels.items())]
        labels = np.stack(columns, axis=1) if columns else np.zeros((len(profiles.users), 0), np.int64)
        sizes = labels.max(axis=0, initial=-1) + 1
        column = np.repeat(np.arange(len(sizes)), sizes)
        indices = np.where(labels >= 0, labels + np.cumsum(sizes) - sizes, -1)
        values = indices[rows]
        counts = np.bincount(values[values >= 0], minlength=len(column))
        center = counts / np.maximum((values >= 0).sum(axis=0), 1)[column]
        return cls(indices, column, center)

    def encode(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """float64 ``[len(rows), values]``: 1 for a profile's values, minus the shares; 0 for missing columns."""
        indices = np.where((rows >= 0)[:, None], self.labels[rows], -1)
        known = indices >= 0
        encoded = np.where(known[:, self.column], -self.center, 0.0)
        row, _ = np.nonzero(known)
        encoded[row, indices[known]] += 1
        return encoded
