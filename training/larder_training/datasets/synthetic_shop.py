"""A synthetic shop: a reproducible event log with patterns that models can find.

- Items have a category, a vector of style, a brand, a price and a creation time.
- Users have preferences for categories, which depend on gender, age and city, and a preferred style, which does not.
- A session has one category, drawn by preference. Its items are drawn by style, price, popularity and age, and are
  similar to each other, so that the next item depends on the last. View, click, cart, pay and review follow one
  another, each less likely than the one before, and more likely if the item fits the user.
- Consumables (coffee, tea, soap) are bought again.
- Some users have no event, some profiles have missing values; activity and popularity have long tails.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]

START: Final = 1_735_689_600  # 2025-01-01T00:00:00Z
DAY: Final = 86_400
_STYLES: Final = 6
_IDLE: Final = 0.03  # share of users without events
_GAP: Final = 0.03  # share of empty profile cells

# Category: nouns, typical price, whether it is consumed, and preference of women, young users and northern cities.
_CATEGORIES: Final[dict[str, tuple[tuple[str, ...], float, bool, tuple[float, float, float]]]] = {
    "coffee": (("espresso", "filter roast", "decaf", "capsules"), 9, True, (0.0, 0.3, 0.4)),
    "tea": (("green tea", "assam", "herbal tea", "chai"), 7, True, (0.6, -0.5, 0.5)),
    "soap": (("hand soap", "shampoo bar", "shower gel", "bath salt"), 6, True, (0.8, 0.0, 0.0)),
    "kitchen": (("chef's knife", "cast-iron pan", "kettle", "grinder"), 45, False, (0.1, -0.4, 0.0)),
    "bags": (("backpack", "tote", "weekender", "pouch"), 60, False, (0.5, 0.9, -0.2)),
    "bikes": (("helmet", "bike light", "lock", "saddle"), 50, False, (-0.8, 0.6, 0.3)),
    "books": (("novel", "cookbook", "atlas", "comic"), 18, False, (0.2, -0.2, 0.3)),
    "garden": (("seed box", "watering can", "planter", "secateurs"), 25, False, (0.2, -1.2, -0.6)),
}
_ADJECTIVES: Final = ("small", "classic", "organic", "black", "light", "large", "dark", "everyday", "fine", "blue")
_BRANDS: Final = ("Alder", "Birk", "Corvo", "Dune", "Elm & Oak", "Fjord", "Gale", "Hazel", "Iris", "Juno")
# City: share of users, and latitude (arbitrary unit).
_CITIES: Final = {
    "Berlin": (0.3, 0.4),
    "Hamburg": (0.2, 1.0),
    "Köln": (0.18, 0.0),
    "München": (0.18, -1.0),
    "Leipzig": (0.14, 0.2),
}
# Events that may follow a view: type, base rate after the event before, mean delay in seconds.
_FUNNEL: Final = (("click", 0.5, 20), ("cart", 0.3, 60), ("pay", 0.5, 300), ("review", 0.25, 5 * DAY))


@dataclass(frozen=True, slots=True)
class ShopFiles:
    """The written files.

    Attributes:
        interactions: Path of interactions.csv.
        items: Path of items.csv.
        users: Path of users.csv.
        events: Rows of the interactions.
    """

    interactions: Path
    items: Path
    users: Path
    events: int


@dataclass(frozen=True, slots=True, eq=False)
class _Catalogue:
    category: NDArray[np.int64]  # [items]
    style: Floats  # [items, styles]
    appeal: Floats  # [items]: popularity
    price: Floats
    created: NDArray[np.int64]
    again: NDArray[np.bool_]  # [items]: consumed and bought again

    def of(self, category: int) -> NDArray[np.int64]:
        """Item numbers of a category."""
        return np.flatnonzero(self.category == category)


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    taste: Floats  # [users, categories], probabilities
    style: Floats  # [users, styles]
    thrift: Floats  # [users]: aversion to high prices
    sessions: NDArray[np.int64]  # [users]


def generate(folder: Path, *, users: int = 2000, items: int = 600, days: int = 90, seed: int = 0) -> ShopFiles:
    """Writes ``interactions.csv``, ``items.csv`` and ``users.csv`` with Amazon Personalize's columns.

    Interactions have EVENT_TYPE view, click, cart, pay and review; EVENT_VALUE has the stars (1 to 5) of reviews. The
    same arguments give the same bytes.

    Args:
        folder: Where to write; it is created.
        users: Number of users, at least 10; each has about 40 events.
        items: Number of items, at least 80.
        days: Length of the log, at least 7.
        seed: Of all random draws.

    Raises:
        ValueError: An argument is too small.
    """
    if users < 10 or items < 80 or days < 7:
        raise ValueError(f"users={users}, items={items}, days={days}: give at least 10 users, 80 items and 7 days.")
    random = np.random.default_rng(seed)
    catalogue, item_table = _make_items(random, items, days)
    people, user_table = _make_users(random, users)
    events = _make_events(random, catalogue, people, days)
    folder.mkdir(parents=True, exist_ok=True)
    files = ShopFiles(folder / "interactions.csv", folder / "items.csv", folder / "users.csv", len(events))
    events.write_csv(files.interactions)
    item_table.write_csv(files.items)
    user_table.write_csv(files.users)
    return files


def _make_items(random: np.random.Generator, items: int, days: int) -> tuple[_Catalogue, pl.DataFrame]:
    names = list(_CATEGORIES)
    category = np.sort(random.integers(0, len(names), items))
    nouns = [_CATEGORIES[names[code]][0][random.integers(4)] for code in category]
    brand = random.zipf(1.6, items) % len(_BRANDS)
    typical = np.array([_CATEGORIES[names[code]][1] for code in category])
    price = np.round(typical * random.lognormal(0, 0.4, items), 2)
    # Two thirds exist before the log begins; the others are added over time.
    created = START + (random.uniform(-2.0, 0.9, items) * days * DAY).astype(np.int64)
    # Items have a style near that of their brand.
    style = random.normal(0, 1, (len(_BRANDS), _STYLES))[brand] * 0.6 + random.normal(0, 0.9, (items, _STYLES))
    again = np.array([_CATEGORIES[names[code]][2] for code in category])
    adjective = random.integers(0, len(_ADJECTIVES), items)
    table = pl.DataFrame(
        {
            "ITEM_ID": [_item(number) for number in range(items)],
            "TITLE": [
                f"{_BRANDS[b]} {_ADJECTIVES[a]} {noun}" for b, a, noun in zip(brand, adjective, nouns, strict=True)
            ],
            "CATEGORY": [names[code] for code in category],
            "BRAND": [_BRANDS[code] for code in brand],
            "PRICE": price,
            "CREATION_TIMESTAMP": created,
        }
    )
    return _Catalogue(category, style, random.gumbel(0, 0.8, items), price / typical, created, again), table


def _make_users(random: np.random.Generator, users: int) -> tuple[_People, pl.DataFrame]:
    cities = list(_CITIES)
    city = random.choice(len(cities), users, p=[share for share, _ in _CITIES.values()])
    woman = random.random(users) < 0.55
    age = np.clip(random.gamma(6, 6.5, users), 16, 85).astype(np.int64)
    pull = np.array([strength for *_, strength in _CATEGORIES.values()])  # [categories, 3]
    north = np.array([north for _, north in _CITIES.values()])[city]
    lean = np.stack([np.where(woman, 1.0, -1.0), (40 - age) / 15, north * 1.5], axis=1) @ pull.T
    taste = np.exp(lean + random.normal(0, 0.8, lean.shape))
    sessions = np.ceil(random.lognormal(1.35, 0.75, users)).astype(np.int64)
    sessions[random.random(users) < _IDLE] = 0
    people = _People(
        taste=taste / taste.sum(axis=1, keepdims=True),
        style=random.normal(0, 1, (users, _STYLES)),
        thrift=np.exp(random.normal(0, 0.5, users)) * np.where(age < 30, 1.5, 0.8),
        sessions=sessions,
    )
    gaps = random.random((users, 3)) < _GAP
    table = pl.DataFrame(
        {
            "USER_ID": [f"u{number:04d}" for number in range(users)],
            "CITY": [None if gap else cities[code] for code, gap in zip(city, gaps[:, 0], strict=True)],
            "GENDER": [
                None if gap else ("F" if female else "M") for female, gap in zip(woman, gaps[:, 1], strict=True)
            ],
            "AGE": [None if gap else int(years) for years, gap in zip(age, gaps[:, 2], strict=True)],
        }
    )
    return people, table


def _make_events(random: np.random.Generator, catalogue: _Catalogue, people: _People, days: int) -> pl.DataFrame:
    rows = []
    for user in range(len(people.sessions)):
        rows += list(_user_events(random, catalogue, people, user, days))
    schema = {"USER_ID": pl.String, "ITEM_ID": pl.String, "TIMESTAMP": pl.Int64, "EVENT_TYPE": pl.String}
    table = pl.DataFrame(rows, schema={**schema, "EVENT_VALUE": pl.Int64}, orient="row")
    end = START + days * DAY  # reviews may come after the end of the log
    return table.filter(pl.col("TIMESTAMP") < end).sort("TIMESTAMP", "USER_ID", "ITEM_ID", "EVENT_TYPE")


def _user_events(
    random: np.random.Generator, catalogue: _Catalogue, people: _People, user: int, days: int
) -> Iterator[tuple[str, str, int, str, int | None]]:
    """The events of one user's sessions, in the order of time."""
    day = np.sort(random.uniform(0, days, people.sessions[user]))
    bought: list[int] = []
    for moment in day:
        # Most sessions are in the evening.
        hour = np.clip(random.normal(18.5, 3.5), 0, 23.5)
        now = START + int(moment) * DAY + int(hour * 3600)
        for item, fit in _session(random, catalogue, people, user, now, bought):
            now += int(random.exponential(40)) + 5
            paid = False
            for event, when, stars in _follow(random, fit, now):
                paid |= event == "pay"
                yield f"u{user:04d}", _item(item), when, event, stars
            if paid and catalogue.again[item]:
                bought.append(item)


def _session(
    random: np.random.Generator, catalogue: _Catalogue, people: _People, user: int, now: int, bought: list[int]
) -> list[tuple[int, float]]:
    """The viewed items, and how well each fits the user."""
    category = int(random.choice(people.taste.shape[1], p=people.taste[user]))
    there = catalogue.of(category)
    there = there[catalogue.created[there] <= now]
    if not there.size:
        return []
    age = (now - catalogue.created[there]) / DAY
    fit = catalogue.style[there] @ people.style[user] * 0.55 - people.thrift[user] * 0.5 * catalogue.price[there]
    pull = fit + catalogue.appeal[there] + 0.8 * np.exp(-age / 10)
    first = int(np.argmax(pull + random.gumbel(0, 1, there.size)))
    near = -((catalogue.style[there] - catalogue.style[there[first]]) ** 2).mean(axis=1) * 1.2
    follow = pull + near + random.gumbel(0, 1, there.size)
    follow[first] = np.inf
    count = min(1 + int(random.poisson(3)), there.size)
    chosen = np.argsort(-follow, kind="stable")[:count]
    again = [
        (item, 3.0) for item in dict.fromkeys(bought) if catalogue.category[item] == category and random.random() < 0.6
    ]
    return again + [(int(there[place]), float(fit[place])) for place in chosen]


def _follow(random: np.random.Generator, fit: float, now: int) -> Iterator[tuple[str, int, int | None]]:
    """The view of an item and the events that follow it: type, time, stars."""
    yield "view", now, None
    for event, rate, wait in _FUNNEL:
        # Logistic in the fit, around the base rate.
        odds = rate / (1 - rate) * np.exp(0.35 * fit)
        if random.random() > odds / (1 + odds):
            return
        now += 1 + int(random.exponential(wait))
        stars = int(np.clip(round(random.normal(3.6 + 0.5 * fit, 0.9)), 1, 5)) if event == "review" else None
        yield event, now, stars


def _item(number: int) -> str:
    return f"p{number:04d}"
