"""FastAPI with SQLite: one look-up by primary key in a read-only file, in the event loop."""

import os
import sqlite3

from fastapi import FastAPI, HTTPException, Response

app = FastAPI()
lists = sqlite3.connect(f"file:{os.environ['LISTS']}?mode=ro&immutable=1", uri=True)


@app.get("/recommend")
async def recommend(user: str) -> Response:
    """The user's list."""
    row = lists.execute("SELECT body FROM lists WHERE user = ?", (user,)).fetchone()
    if row is None:
        raise HTTPException(404)
    return Response(row[0], media_type="application/json")
