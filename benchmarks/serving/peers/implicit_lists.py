"""FastAPI with implicit, which computes each list at the request.

Run as a program, it fits the model: ``python implicit_lists.py INTERACTIONS.csv FOLDER``.
"""

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
from fastapi import FastAPI
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse

N = 25

app = FastAPI()


def fit(interactions: Path, folder: Path) -> None:
    """Writes the model, the users' items and both lists of ids."""
    with interactions.open(encoding="utf-8", newline="") as file:
        pairs = [(row["USER_ID"], row["ITEM_ID"]) for row in csv.DictReader(file)]
    users, rows = np.unique([user for user, _ in pairs], return_inverse=True)
    items, columns = np.unique([item for _, item in pairs], return_inverse=True)
    bought = sparse.csr_matrix((np.ones(len(pairs), np.float32), (rows, columns)))
    model = AlternatingLeastSquares(factors=64, random_state=0)
    model.fit(bought, show_progress=False)
    model.save(folder / "model.npz")
    sparse.save_npz(folder / "bought.npz", bought)
    (folder / "ids.json").write_text(json.dumps([users.tolist(), items.tolist()]))


if __name__ == "__main__":
    fit(Path(sys.argv[1]), Path(sys.argv[2]))
else:
    folder = Path(os.environ["IMPLICIT"])
    model = AlternatingLeastSquares.load(folder / "model.npz")
    bought = sparse.load_npz(folder / "bought.npz")
    users, items = json.loads((folder / "ids.json").read_text())
    numbers = {user: number for number, user in enumerate(users)}


@app.get("/recommend")
async def recommend(user: str) -> dict[str, object]:
    """The user's best items."""
    number = numbers[user]
    best, scores = model.recommend(number, bought[number], N=N, filter_already_liked_items=False)
    pairs = zip(best.tolist(), scores.tolist(), strict=True)
    return {"items": [{"id": items[item], "score": score} for item, score in pairs]}
