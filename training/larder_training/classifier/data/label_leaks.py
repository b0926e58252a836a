"""Finds columns of side information that reveal the label: file names, addresses, one-hot columns, codes.

Such a column comes from the label, or from how the data were collected; a request rarely has it, so a model that reads
it is good in the test and bad in use. A shallow decision tree predicts the label from a column alone, and from all
columns together, in cross-validation. It reads the words of texts, numbers with their sums and differences, and pairs
of columns with few values. A column that reveals the label but for ``LABEL_ERRORS`` is a leak: what remains is no more
than wrong labels are. A column that only helps is wrong more often.
"""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, csr_matrix, hstack
from sklearn.tree import DecisionTreeClassifier

from larder_training.classifier.data.scan import Sample

Value = str | float

LABEL_ERRORS: Final = 0.02  # the highest mean share of wrong predictions by class of a column that reveals the label
MIN_IMAGES: Final = 20  # with fewer, a useful column is right for all of them by chance
MAX_IMAGES: Final = 4_000  # that the trees are fitted on
MAX_CLASSES: Final = 50  # the largest classes: what separates these separates all
FOLDS: Final = 5
MAX_WORDS: Final = 400  # of a column: those that reveal most
MAX_PAIRED: Final = 8  # columns up to which each is combined with each
MAX_STATES: Final = 10  # values of a column that is combined with another by their values
MAX_EXCHANGES: Final = 100  # fits that look for columns that can take the place of a leaking one
_NAMED: Final = 3  # words that a reason names
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORDS: Final = (re.compile(r"[^\W\d_]+|\d+"), re.compile(r"[^\W_]+"), re.compile(r"\w+"))


@dataclass(frozen=True, slots=True)
class LabelLeak:
    """Columns that reveal the label.

    Attributes:
        columns: Their names, sorted; several reveal it only together.
        reason: How they reveal it, to follow "left out:"; of several, what each does with the others.
    """

    columns: tuple[str, ...]
    reason: str

    @property
    def how(self) -> str:
        """How the columns reveal the label, said of all of them."""
        return self.reason if len(self.columns) == 1 else "together they reveal the label"

    def describe(self) -> str:
        """One sentence without a full stop."""
        columns = " and ".join(self.columns)
        return f"{'column' if len(self.columns) == 1 else 'columns'} {columns} must not be used: {self.how}"


@dataclass(frozen=True, slots=True)
class _Table:
    """What the trees read of each column.

    Attributes:
        labels: ``[n]``, from 0.
        names: The labels.
        features: ``[n, k]`` by column.
        titles: The words or the kind of number of each feature, by column.
        numbers: ``[n]`` by column of numbers, in which a missing value is below all others.
        filled: ``[n]`` by column: whether there is a value.
        states: ``[n]`` by column: which of its values an image has, with a missing one as a value, from 0.
        folds: ``[n]``, from 0.
    """

    labels: NDArray[np.int64]
    names: tuple[str, ...]
    features: Mapping[str, csc_array]
    titles: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, NDArray[np.float64]]
    filled: Mapping[str, NDArray[np.bool_]]
    states: Mapping[str, NDArray[np.int64]]
    folds: NDArray[np.int64]


def find_leaks(samples: Sequence[Sample], names: Collection[str]) -> list[LabelLeak]:
    """The columns that reveal the label, by themselves or together.

    Args:
        samples: Images with their side information.
        names: The columns to check.
    """
    exact = [name for name in sorted(names) if _determines_label(name, samples)]
    leaks = [LabelLeak((name,), "it determines the label by itself") for name in exact]
    names = [name for name in sorted(names) if name not in exact]
    chosen = _checked(samples)
    if not names or len(chosen) < MIN_IMAGES or len({sample.image.label for sample in chosen}) < 2:
        return leaks
    table = _table(chosen, names)
    leaks += [leak for name in names if (leak := _alone(table, name))]
    remaining = [name for name in names if (name,) not in {leak.columns for leak in leaks}]
    while len(remaining) > 1 and _reveals(table, remaining):
        together = _smallest(table, remaining)
        together += _exchangeable(table, together, [name for name in remaining if name not in together])
        leaks.append(LabelLeak(tuple(sorted(together)), "it reveals the label"))
        remaining = [name for name in remaining if name not in together]
    return leaks + [leak for name in remaining if (leak := _of_one_label(table, name))]


def _determines_label(name: str, samples: Sequence[Sample]) -> bool:
    """Whether each repeated value occurs with one label only, or sorted numbers separate the labels completely."""
    labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        if name in sample.image.side:
            labels[str(sample.image.side[name])][sample.image.label] += 1
    repeated = [counts for counts in labels.values() if counts.total() > 1]
    revealed = {label for counts in repeated for label in counts}
    if len(revealed) > 1 and 2 * sum(counts.total() for counts in repeated) > sum(
        counts.total() for counts in labels.values()
    ):
        return all(len(counts) == 1 for counts in repeated)
    numbers = sorted(
        (number, sample.image.label)
        for sample in samples
        if (number := as_number(sample.image.side.get(name, "none"))) is not None
    )
    changes = sum(current[1] != following[1] for current, following in pairwise(numbers))
    return len(numbers) == len(samples) and changes < len({sample.image.label for sample in samples})


def _checked(samples: Sequence[Sample]) -> list[Sample]:
    """The images of the largest classes that have two groups, at most ``MAX_IMAGES``, by content."""
    groups = Counter(label for label, _ in {(sample.image.label, sample.group) for sample in samples})
    largest = sorted((-count, label) for label, count in groups.items() if count > 1)[:MAX_CLASSES]
    labels = {label for _, label in largest}
    chosen = (sample for sample in sorted(samples, key=lambda sample: sample.digest) if sample.image.label in labels)
    return list(islice(chosen, MAX_IMAGES))


def _folds(samples: Sequence[Sample]) -> NDArray[np.int64]:
    """``[n]``: the fold of each image; near-duplicates are in one, since they often have the same texts."""
    fold_of: dict[int, int] = {}
    turn = Counter[str]()
    for sample in samples:
        if sample.group not in fold_of:
            fold_of[sample.group] = turn[sample.image.label] % FOLDS
            turn[sample.image.label] += 1
    return np.array([fold_of[sample.group] for sample in samples], np.int64)


def _table(samples: Sequence[Sample], columns: Sequence[str]) -> _Table:
    names, labels = np.unique([sample.image.label for sample in samples], return_inverse=True)
    features: dict[str, csc_array] = {}
    titles: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, NDArray[np.float64]] = {}
    filled: dict[str, NDArray[np.bool_]] = {}
    states: dict[str, NDArray[np.int64]] = {}
    for column in columns:
        values = [sample.image.side.get(column) for sample in samples]
        filled[column] = np.array([value is not None for value in values])
        states[column] = np.unique([repr(value) for value in values], return_inverse=True)[1].astype(np.int64)
        if all(value is None or as_number(value) is not None for value in values):
            rows = np.array([math.nan if value is None else as_number(value) for value in values], np.float64)
            numbers[column], titles[column] = _filled_in(rows), ("",)
            features[column] = csc_array(numbers[column][:, None])
        else:
            features[column], titles[column] = _words(values, labels)
    indices, titled = labels.astype(np.int64), tuple(map(str, names))
    return _Table(indices, titled, features, titles, numbers, filled, states, _folds(samples))


def as_number(value: Value) -> float | None:
    """The finite number that a value is or that its text states, else None."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _filled_in(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Missing numbers are below all others, so that a tree can separate them."""
    known = rows[~np.isnan(rows)]
    return np.where(np.isnan(rows), known.min(initial=0) - 1, rows)


def words(text: str) -> frozenset[str]:
    """The words of a text, of its file names, addresses and identifiers: runs of letters, of digits, and of both."""
    plain = _CAMEL.sub("_", unicodedata.normalize("NFKC", text)).casefold()
    return frozenset(word for pattern in _WORDS for word in pattern.findall(plain))


def _words(values: Sequence[Value | None], labels: NDArray[np.int64]) -> tuple[csc_array, tuple[str, ...]]:
    """Whether each word is in each text, ``[n, k]``; a further feature is whether there is a text."""
    vocabulary: dict[str, int] = {}
    rows, columns = [], []
    for row, value in enumerate(values):
        # Sorted, since the order of a set differs from process to process, and the trees break ties by it.
        for word in sorted(words(str(value)) | {str(value).casefold()}) if value is not None else ():
            rows.append(row)
            columns.append(vocabulary.setdefault(word, len(vocabulary)))
    present = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(values), max(1, len(vocabulary))))
    classes = csr_array((np.ones(len(labels)), (labels, np.arange(len(labels)))))
    counts: NDArray[np.float64] = present.sum(axis=0)
    best = (classes @ present).max(axis=0).toarray().ravel()
    score = np.where(counts > 1, best * best / np.maximum(counts, 1), 0)
    kept = np.argsort(-score, kind="stable")[:MAX_WORDS]
    kept = kept[score[kept] > 0]
    there = csc_array(np.array([[value is not None] for value in values], np.float64))
    titles = list(vocabulary)
    return csc_array(hstack([csc_array(present)[:, kept], there])), (*(titles[word] for word in kept), "")


def _alone(table: _Table, name: str) -> LabelLeak | None:
    """The leak of one column, in all images or in those that have a value."""
    filled = table.filled[name]
    rows = [np.arange(len(filled))]
    if not filled.all():
        rows.append(np.flatnonzero(filled))
    for chosen in rows:
        if len(chosen) >= MIN_IMAGES and _reveals(table, [name], chosen):
            return LabelLeak((name,), _how(table, name, chosen))
    return None


def _of_one_label(table: _Table, name: str) -> LabelLeak | None:
    """The leak of a column that has the name of a label."""
    for position, label in enumerate(table.names):
        if _has_name_of(table, name, label, table.labels == position):
            return LabelLeak((name,), f"it shows which images have the label {label}")
    return None


def _how(table: _Table, name: str, rows: NDArray[np.int64]) -> str:
    if name in table.numbers:
        return "its numbers reveal the label"
    importance = _tree(table, table.features[name][rows], rows).feature_importances_
    best = [
        table.titles[name][feature]
        for feature in np.argsort(-importance, kind="stable")[:_NAMED]
        if importance[feature] > 0
    ]
    shown = ", ".join(word[:30] for word in best if word)
    return f"its words reveal the label ({shown})" if shown else "whether it has a value reveals the label"


def _has_name_of(table: _Table, name: str, label: str, own: NDArray[np.bool_]) -> bool:
    """Whether the column has the label's name, in its values or its own name, for exactly the images of the label."""
    wanted = words(label)
    if not wanted:
        return False
    if wanted <= words(name) and table.states[name].max() == 1:
        present = table.states[name] == 1
    elif wanted <= set(table.titles[name]):
        positions = [table.titles[name].index(word) for word in wanted]
        present = table.features[name][:, positions].sum(axis=1) == len(wanted)
    else:
        return False
    errors = (1 - present[own].mean() + present[~own].mean()) / 2
    return bool(min(errors, 1 - errors) <= LABEL_ERRORS)


def _reveals(table: _Table, names: Sequence[str], rows: NDArray[np.int64] | None = None) -> bool:
    """Whether a tree predicts the label from these columns but for ``LABEL_ERRORS``, on average over the classes."""
    rows = np.arange(len(table.labels)) if rows is None else rows
    labels, folds = table.labels[rows], table.folds[rows]
    if len(rows) < MIN_IMAGES or len(np.unique(labels)) < 2:
        return False
    features = _joined(table, names)[rows]
    right = np.zeros(len(rows))
    for fold in np.unique(folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        right[test] = _tree(table, features[train], rows[train]).predict(_indexed(features[test])) == labels[test]
    by_class = [right[labels == label].mean() for label in np.unique(labels)]
    return bool(np.mean(by_class) >= 1 - LABEL_ERRORS)


def _tree(table: _Table, features: csc_array | csr_array, rows: NDArray[np.int64]) -> DecisionTreeClassifier:
    leaves = 4 * len(table.names)
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, class_weight="balanced", random_state=0)
    return tree.fit(_indexed(features), table.labels[rows])


def _joined(table: _Table, names: Sequence[str]) -> csr_array:
    """The features of several columns, with those of pairs: sums and differences of numbers, and pairs of values."""
    parts = [table.features[name] for name in names]
    numbers = [table.numbers[name] for name in names if name in table.numbers]
    if len(numbers) <= MAX_PAIRED:
        pairs = combinations(numbers, 2)
        parts += [csc_array((first + sign * second)[:, None]) for first, second in pairs for sign in (1, -1)]
    states = [table.states[name] for name in names if table.states[name].max() < MAX_STATES]
    if len(states) <= MAX_PAIRED:
        parts += [_one_hot(first * MAX_STATES + second) for first, second in combinations(states, 2)]
    return csr_array(hstack(parts))


def _one_hot(states: NDArray[np.int64]) -> csc_array:
    ones, rows = np.ones(len(states)), np.arange(len(states))
    return csc_array((ones, (rows, states)), shape=(len(states), int(states.max()) + 1))


def _smallest(table: _Table, names: Sequence[str]) -> list[str]:
    """The columns that remain when one after the other is dropped without which the others reveal the label."""
    left = list(names)
    for name in names:
        fewer = [other for other in left if other != name]
        if fewer and _reveals(table, fewer):
            left = fewer
    return left


def _exchangeable(table: _Table, together: Sequence[str], others: Sequence[str]) -> list[str]:
    """The other columns that reveal the label too, in place of one of those that reveal it together."""
    if len(together) * len(others) > MAX_EXCHANGES:
        return []  # what remains of them is found in the next round
    return [
        other
        for other in others
        if any(_reveals(table, [other, *(name for name in together if name != dropped)]) for dropped in together)
    ]


def _indexed(features: csc_array | csr_array) -> csr_matrix:
    """scikit-learn's trees take indices of 32 bits only."""
    matrix = csr_matrix(features.astype(np.float32))
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return matrix
