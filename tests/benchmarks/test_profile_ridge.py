import numpy as np
import pytest
import scipy.sparse as sp
from profile_ridge import ProfileModel, ProfileScorer
from tests.larder_training.recommender.models.test_models import toy, training_data

from larder.release.serving import ProfileColumn
from larder_training.recommender.data.columns.profiles import Profiles
from larder_training.recommender.models.base import ItemToItem, TrainingData

USERS = 40
COLUMNS = ("CITY", "GENDER")


def profiles_of(labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> Profiles:
    columns = dict(zip(COLUMNS, labels.T, strict=True))
    return Profiles(
        [f"p{n:03}" for n in range(len(labels))],
        {name: [None if label < 0 else str(label) for label in column] for name, column in columns.items()},
        dict.fromkeys(COLUMNS, ProfileColumn("category")),
        columns,
    )


@pytest.fixture(name="labels")
def labels_of_users() -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Two tastes as GENDER, three random cities; the last two rows are new users, one with a new combination."""
    random = np.random.default_rng(0)
    labels = np.stack([random.integers(0, 3, USERS + 2), np.arange(USERS + 2) % 2], axis=1)
    return labels.astype(np.int32)


@pytest.fixture(name="data")
def toy_data() -> TrainingData:
    return training_data(toy(users=USERS))


def fit(
    data: TrainingData, labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]], prior: float = 5.0
) -> ProfileScorer:
    return ProfileModel(prior).fit(data, profiles_of(labels), np.arange(USERS))


def test_it_is_ridge_regression_of_interactions_on_centred_one_hot_columns(
    data: TrainingData, labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
) -> None:
    """THEN it agrees with scikit-learn."""
    from sklearn.linear_model import Ridge

    one_hot = np.concatenate([labels[:, [0]] == np.arange(3), labels[:, [1]] == np.arange(2)], axis=1).astype(float)
    oracle = Ridge(alpha=5.0).fit(one_hot[:USERS], data.interactions.toarray())
    scores = fit(data, labels).scores_of_profiles(np.arange(USERS + 2))
    assert scores.dtype == np.float32
    assert scores == pytest.approx(oracle.predict(one_hot), abs=1e-5)


def test_a_new_user_gets_items_of_users_with_the_same_profile(
    data: TrainingData, labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
) -> None:
    even, odd = fit(data, labels).scores_of_profiles(np.array([USERS, USERS + 1]))
    assert even[:6].mean() > 2 * odd[:6].mean()
    assert odd[6:12].mean() > 2 * even[6:12].mean()


def test_a_missing_or_empty_profile_gets_the_mean_of_all_users(
    data: TrainingData, labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
) -> None:
    labels[USERS] = -1
    scores = fit(data, labels).scores_of_profiles(np.array([-1, USERS]))
    assert scores == pytest.approx(np.repeat(data.interactions.toarray().mean(axis=0)[None], 2, axis=0), abs=1e-6)


def test_a_larger_prior_gives_scores_closer_to_the_mean(
    data: TrainingData, labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
) -> None:
    mean = data.interactions.toarray().mean(axis=0)
    rows = np.array([USERS])
    near, far = (np.abs(fit(data, labels, prior).scores_of_profiles(rows) - mean).max() for prior in (1e6, 1.0))
    assert near < 1e-3 < far


def test_with_a_model_it_regresses_the_model_s_predictions(
    data: TrainingData, labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
) -> None:
    matrix = sp.csr_array(np.random.default_rng(1).random((13, 13)))
    shortcut = ProfileModel(5.0).fit(data, profiles_of(labels), np.arange(USERS), ItemToItem(matrix, data.interactions))
    predictions = TrainingData(data.log, data.now, sp.csr_array(data.interactions @ matrix))
    whole = ProfileModel(5.0).fit(predictions, profiles_of(labels), np.arange(USERS))
    rows = np.arange(USERS + 2)
    assert shortcut.scores_of_profiles(rows) == pytest.approx(whole.scores_of_profiles(rows), abs=1e-4)


def test_without_users_and_columns_it_predicts_the_mean(data: TrainingData) -> None:
    none = Profiles(["p"], {}, {}, {})
    scores = ProfileModel().fit(data, none, np.full(USERS, -1)).scores_of_profiles(np.array([0, -1]))
    assert scores == pytest.approx(np.repeat(data.interactions.toarray().mean(axis=0)[None], 2, axis=0), abs=1e-6)
