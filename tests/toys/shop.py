"""A toy shop whose recommendations can be computed by hand: rows of 3, 5 and 4 slots, scores that are powers of 2."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from larder.recommender import Recommender
from larder.release.serving import ColumnType, InteractionTable, ProfileColumn, ProfileTables, RecommenderServing
from larder.tables import EMPTY
from larder_training.release.loader import open_tables
from larder_training.release.tables import write_dense, write_keyed, write_vocabulary
from larder_training.release.writer import write_release

Slots = Sequence[tuple[int, float]]

IDS = ["apple", "bread", "cherry", "dill, fresh", "egg", "fig", "Grünkohl 🥬"]
APPLE, BREAD, CHERRY, DILL, EGG, FIG, KALE = range(7)
COLUMNS: Mapping[str, tuple[ColumnType, Sequence[object]]] = {
    "KIND": ("category", ["fruit", "grain", "fruit|red", "herb", None, "fruit", "cabbage|herb"]),
    "PRICE": ("number", [1.0, 2.5, 4.0, None, 0.25, 3.0, 1.5]),
    "TITLE": ("text", ["An apple", "Rye", None, "Dill", "Egg", "Fig", "Kale"]),
}
NEIGHBOURS: Sequence[Slots] = [
    [(BREAD, 0.5), (CHERRY, 0.25), (DILL, 0.125)],
    [(APPLE, 0.5), (EGG, 0.25)],
    [(APPLE, 0.25), (FIG, 0.25)],
    [(APPLE, 0.125)],
    [(FIG, 0.5), (BREAD, 0.25), (KALE, 0.125)],
    [(EGG, 0.5), (CHERRY, 0.25)],
    [],
]
# The first three slots are recommendations, the others recent items, newest first.
USERS: Mapping[str, Slots] = {
    "ada": [(EGG, 1.0), (FIG, 0.5), (KALE, 0.25), (BREAD, 0), (APPLE, 0)],
    "bob": [(CHERRY, 0.5), (DILL, 0), (APPLE, 0)],  # one recommendation: the recent items follow directly
    "zoë": [(APPLE, 0.75), (BREAD, 0.5), (CHERRY, 0.25)],
}
SEGMENTS: Mapping[str, Slots] = {
    "": [(APPLE, 1.0), (BREAD, 0.5), (CHERRY, 0.25), (DILL, 0.125)],
    "CITY=Berlin": [(FIG, 1.0), (KALE, 0.5)],
    "CITY=Berlin|AGE=[18,35)": [(KALE, 1.0)],
}


# Co-visitation; most toy releases lack this table.
TRANSITIONS: Sequence[Slots] = [
    [(FIG, 1.0), (BREAD, 0.25)],
    [(CHERRY, 0.5)],
    [],
    [(KALE, 0.25)],
    [(DILL, 0.5), (FIG, 0.25)],
    [(APPLE, 0.5), (EGG, 0.25)],
    [(KALE, 0.5)],
]


@dataclass(frozen=True)
class Tables:
    """The content of a toy release: the slots of each row, widths, and the rest of its serving section."""

    neighbours: Sequence[Slots]
    users: Mapping[str, Slots]
    segments: Mapping[str, Slots]
    widths: tuple[int, int, int] = (3, 5, 4)
    user_slots: int = 3
    ids: Sequence[str] = tuple(IDS)
    columns: Mapping[str, tuple[ColumnType, Sequence[object]]] = field(default_factory=lambda: COLUMNS)
    weights: tuple[float, float, float] = (1.0, 0.5, 0.125)
    session_decay: float = 0.5
    session_length: int = 3
    rules: tuple[str, ...] = ()
    transitions: Sequence[Slots] | None = None
    more_weights: Mapping[str, float] = field(default_factory=dict)
    transition_decay: float = 1.0
    revisit_decay: float = 1.0
    events: Mapping[str, Slots] | None = None
    event_types: tuple[str, ...] = ("view", "Buy")
    event_width: int = 2
    profiles: Mapping[str, Mapping[str, object]] | None = None

    def write(self, folder: Path) -> RecommenderServing:
        """Writes the table files; returns their serving section."""
        write_vocabulary(folder / "items.safetensors", self.ids, self.columns)
        near, user, segment = self.widths
        neighbours = write_dense(folder / "neighbours.safetensors", *_arrays(self.neighbours, near))
        users = write_keyed(folder / "users.safetensors", list(self.users), *_arrays(list(self.users.values()), user))
        rows = list(self.segments.values())
        segments = write_keyed(folder / "segments.safetensors", list(self.segments), *_arrays(rows, segment))
        transitions = None
        if self.transitions is not None:
            transitions = write_dense(folder / "transitions.safetensors", *_arrays(self.transitions, near))
        return RecommenderServing(
            items_file="items.safetensors",
            items=len(self.ids),
            columns={name: kind for name, (kind, _) in self.columns.items()},
            neighbours=neighbours,
            users=users,
            user_slots=self.user_slots,
            segments=segments,
            segments_by=(("CITY", "AGE"), ("CITY",)),
            profile={"CITY": ProfileColumn("category"), "AGE": ProfileColumn("number", (18.0, 35.0))},
            weights={**dict(zip(("user", "session", "segment"), self.weights, strict=True)), **self.more_weights},
            session_decay=self.session_decay,
            session_length=self.session_length,
            rules=self.rules,
            transitions=transitions,
            transition_decay=self.transition_decay,
            revisit_decay=self.revisit_decay,
            interactions=self._interactions(folder),
            profiles=self._profiles(folder),
        )

    def _interactions(self, folder: Path) -> InteractionTable | None:
        """What users did, if it is stated; ``events`` has the rows by key, with the index of the type as the score."""
        if self.events is None:
            return None
        rows = _arrays(list(self.events.values()), self.event_width)
        return InteractionTable(
            write_keyed(folder / "interactions.safetensors", list(self.events), *rows), self.event_types
        )

    def _profiles(self, folder: Path) -> ProfileTables | None:
        """The users' profiles with the columns AGE and CITY, if they are stated."""
        if self.profiles is None:
            return None
        kinds: Mapping[str, ColumnType] = {"AGE": "number", "CITY": "category"}
        columns = {name: (kind, [row.get(name) for row in self.profiles.values()]) for name, kind in kinds.items()}
        numbers = [str(number) for number in range(len(self.profiles))]
        write_vocabulary(folder / "profiles.safetensors", numbers, columns)
        rows = np.arange(len(self.profiles))[:, None]
        users = write_keyed(folder / "user-profiles.safetensors", list(self.profiles), rows, np.zeros(rows.shape))
        return ProfileTables(users, "profiles.safetensors", len(self.profiles), kinds)


TOY = Tables(NEIGHBOURS, USERS, SEGMENTS)


def _arrays(rows: Sequence[Slots], width: int) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    items = np.full((len(rows), width), EMPTY, np.uint32)
    scores = np.zeros((len(rows), width))
    for index, slots in enumerate(rows):
        for slot, (item, score) in enumerate(slots):
            items[index, slot], scores[index, slot] = item, score
    return items, scores


OpenShop = Callable[..., Recommender]
WriteShop = Callable[..., Path]


@pytest.fixture(scope="session")
def write_shop(tmp_path_factory: pytest.TempPathFactory) -> WriteShop:
    """Writes a release folder of the toy shop, with some fields of ``Tables`` replaced."""

    def write_changed(
        *, created: datetime | None = None, training: Mapping[str, object] | None = None, **changes: object
    ) -> Path:
        folder = tmp_path_factory.mktemp("tables")
        serving = replace(TOY, **changes).write(folder)  # type: ignore[arg-type]  # of any type
        files = {path.name: path for path in folder.iterdir()}
        return write_release(
            folder / "releases",
            model="shop",
            kind="recommender",
            serving=serving,
            files=files,
            evaluation={},
            training=training or {},
            structure={},
            created=created,
        )

    return write_changed


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    folder = tmp_path_factory.mktemp("shop")
    return open_tables(folder, TOY.write(folder))


@pytest.fixture(scope="session")
def open_shop(tmp_path_factory: pytest.TempPathFactory) -> OpenShop:
    """Opens the toy shop with some fields of ``Tables`` replaced."""

    def open_changed(**changes: object) -> Recommender:
        folder = tmp_path_factory.mktemp("changed")
        return open_tables(folder, replace(TOY, **changes).write(folder))  # type: ignore[arg-type]  # of any type

    return open_changed
