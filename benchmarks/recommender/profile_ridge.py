"""Users without history, by their profile: a ridge regression of what users have to do with items on their profiles.

Each column of the profile is one-hot (a number by its bin), so the model adds up what the city, the age and each other
column say, and knows what to say of a combination that no user had. Where ``fit`` is given a model of items, what is
regressed is what that model foretells each user in place of what he had: with few users to a profile, single purchases
are mostly chance, and the model has the chance averaged out. For a linear model this costs next to nothing, since
``X' (A B) = (X' A) B``: the mapping of attributes of Gantner et al. ("Learning Attribute-to-Feature Mappings for
Cold-Start Recommendations", ICDM 2010), with the linear model's own space in place of factors.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from larder_training.numerics.topk import blocks
from larder_training.recommender.data.metadata import Profiles
from larder_training.recommender.models.base import ItemToItem, TrainingData


@dataclass(frozen=True, slots=True)
class ProfileModel:
    """``prior_users``: the ridge, in users: what this many users with one value of a column say counts about half."""

    prior_users: float = 300.0

    def fit(
        self, data: TrainingData, profiles: Profiles, rows: NDArray[np.int64], model: ItemToItem | None = None
    ) -> "ProfileScorer":
        """Learns from the users of ``data`` who have events.

        Args:
            data: whose ``interactions`` is regressed where there is no ``model``.
            profiles: of users.
            rows: int64 ``[users]``, each user's row in ``profiles``, -1 without one: these shape the mean alone.
            model: of items, and the histories of the same users: ``history @ matrix`` is regressed.

        Memory: 8 bytes for each pair of an item and a value of a profile's column, three times.
        """
        history = data.interactions if model is None else model.history
        known = np.diff(history.indptr) > 0
        users = np.flatnonzero(known & (rows >= 0))
        encoding = Encoding.of(profiles, rows[users])
        values = len(encoding.center)
        everyone = np.asarray(history.sum(axis=0), np.float64)[None] / max(int(known.sum()), 1)
        system, sums = self.prior_users * np.eye(values), np.zeros((values, history.shape[1]))
        for block in blocks(users.size, values):
            apart = encoding.encode(rows[users[block]])
            system += apart.T @ apart
            sums += (history[users[block]].T @ apart).T
        if model is not None:
            everyone, sums = everyone @ model.matrix, sums @ model.matrix
        return ProfileScorer(encoding, everyone.ravel(), np.linalg.solve(system, sums).astype(np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class ProfileScorer:
    """``everyone`` ``[items]``: the mean over all known users; ``coefficients`` ``[values, items]``."""

    encoding: "Encoding"
    everyone: NDArray[np.float64]
    coefficients: NDArray[np.float64]

    def scores_of_profiles(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """``[len(rows), items]`` for these rows of the profiles, in the unit of what was regressed; a negative row is
        somebody without a profile. A column that a profile lacks says nothing.
        """
        found: NDArray[np.float64] = self.everyone + self.encoding.encode(rows) @ self.coefficients
        return found.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """One-hot columns, each in its place of a row: ``labels`` int64 ``[profiles, columns]`` are places, -1 where the
    column is missing; ``column`` ``[values]`` is each place's column, ``center`` ``[values]`` the values' shares.
    """

    labels: NDArray[np.int64]
    column: NDArray[np.int64]
    center: NDArray[np.float64]

    @classmethod
    def of(cls, profiles: Profiles, rows: NDArray[np.int64]) -> "Encoding":
        """Of these rows come the shares, each among those rows that have the column."""
        columns = [labels.astype(np.int64) for _, labels in sorted(profiles.labels.items())]
        labels = np.stack(columns, axis=1) if columns else np.zeros((len(profiles.users), 0), np.int64)
        sizes = labels.max(axis=0, initial=-1) + 1
        column = np.repeat(np.arange(len(sizes)), sizes)
        places = np.where(labels >= 0, labels + np.cumsum(sizes) - sizes, -1)
        had = places[rows]
        counts = np.bincount(had[had >= 0], minlength=len(column))
        center = counts / np.maximum((had >= 0).sum(axis=0), 1)[column]
        return cls(places, column, center)

    def encode(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Float64 ``[len(rows), values]``: 1 at a profile's values, less the shares; 0 where the column is missing."""
        places = np.where((rows >= 0)[:, None], self.labels[rows], -1)
        given = places >= 0
        found = np.where(given[:, self.column], -self.center, 0.0)
        row, _ = np.nonzero(given)
        found[row, places[given]] += 1
        return found
