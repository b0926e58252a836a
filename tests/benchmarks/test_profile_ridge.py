import numpy as np
import pytest
import scipy.sparse as sp
from profile_ridge import ProfileModel, ProfileScorer
from tests.larder_training.recommender.models.test_models import toy, training_data

from larder.release.serving import ProfileColumn
from larder_training.recommender.data.metadata import Profiles
from larder_training.recommender.models.base import ItemToItem, TrainingData

USERS = 40
COLUMNS = ("CITY", "GENDER")


def people(labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> Profiles:
    columns = dict(zip(COLUMNS, labels.T, strict=True))
    return Profiles(
        [f"p{n:03}" for n in range(len(labels))],
        {name: [None if label < 0 else str(label) for label in column] for name, column in columns.items()},
        dict.fromkeys(COLUMNS, ProfileColumn("category")),
        columns,
    )


@pytest.fixture(name="labels")
def labels_of_users() -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Two tastes as GENDER, three cities by chance; the last two rows are newcomers, one of an unseen combination."""
    random = np.random.default_rng(0)
    labels = np.stack([random.integers(0, 3, USERS + 2), np.arange(USERS + 2) % 2], axis=1)
    return labels.astype(np.int32)


@pytest.fixture(name="given")
def toy_material() -> TrainingData:
    return training_data(toy(users=USERS))


def fit(
    given: TrainingData, labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]], prior: float = 5.0
) -> ProfileScorer:
    return ProfileModel(prior).fit(given, people(labels), np.arange(USERS))


def test_it_is_ridge_regression_of_interactions_on_centred_one_hot_columns(
    given: TrainingData, labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
) -> None:
    """THEN it agrees with scikit-learn's."""
    from sklearn.linear_model import Ridge

    one_hot = np.concatenate([labels[:, [0]] == np.arange(3), labels[:, [1]] == np.arange(2)], axis=1).astype(float)
    oracle = Ridge(alpha=5.0).fit(one_hot[:USERS], given.interactions.toarray())
    found = fit(given, labels).scores_of_profiles(np.arange(USERS + 2))
    assert found.dtype == np.float32
    assert found == pytest.approx(oracle.predict(one_hot), abs=1e-5)


def test_a_newcomer_gets_what_people_like_him_have(
    given: TrainingData, labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
) -> None:
    even, odd = fit(given, labels).scores_of_profiles(np.array([USERS, USERS + 1]))
    assert even[:6].mean() > 2 * odd[:6].mean()
    assert odd[6:12].mean() > 2 * even[6:12].mean()


def test_who_has_no_profile_or_an_empty_one_gets_the_mean_of_all(
    given: TrainingData, labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
) -> None:
    labels[USERS] = -1
    found = fit(given, labels).scores_of_profiles(np.array([-1, USERS]))
    assert found == pytest.approx(np.repeat(given.interactions.toarray().mean(axis=0)[None], 2, axis=0), abs=1e-6)


def test_the_larger_the_prior_the_nearer_to_everybody(
    given: TrainingData, labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
) -> None:
    everybody = given.interactions.toarray().mean(axis=0)
    rows = np.array([USERS])
    near, far = (np.abs(fit(given, labels, prior).scores_of_profiles(rows) - everybody).max() for prior in (1e6, 1.0))
    assert near < 1e-3 < far


def test_with_a_model_it_regresses_what_the_model_foretells(
    given: TrainingData, labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
) -> None:
    matrix = sp.csr_array(np.random.default_rng(1).random((13, 13)))
    shortcut = ProfileModel(5.0).fit(given, people(labels), np.arange(USERS), ItemToItem(matrix, given.interactions))
    foretold = TrainingData(given.log, given.now, sp.csr_array(given.interactions @ matrix))
    whole = ProfileModel(5.0).fit(foretold, people(labels), np.arange(USERS))
    rows = np.arange(USERS + 2)
    assert shortcut.scores_of_profiles(rows) == pytest.approx(whole.scores_of_profiles(rows), abs=1e-4)


def test_without_users_or_columns_there_is_no_profile_to_learn_from(given: TrainingData) -> None:
    none = Profiles(["p"], {}, {}, {})
    found = ProfileModel().fit(given, none, np.full(USERS, -1)).scores_of_profiles(np.array([0, -1]))
    assert found == pytest.approx(np.repeat(given.interactions.toarray().mean(axis=0)[None], 2, axis=0), abs=1e-6)
