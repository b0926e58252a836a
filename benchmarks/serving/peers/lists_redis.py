"""FastAPI with Redis, in two ways.

``/recommend``: Redis has each user's response as bytes. ``/best``: Redis has each user's items as a sorted set, as its
guides recommend for rankings, and each request converts them to JSON.
"""

import os

from fastapi import FastAPI, HTTPException, Response
from redis.asyncio import Redis

N = 25

app = FastAPI()
redis = Redis(host="127.0.0.1", port=int(os.environ["REDIS_PORT"]))


@app.get("/recommend")
async def recommend(user: str) -> Response:
    """The user's list, as stored."""
    body = await redis.get(user)
    if body is None:
        raise HTTPException(404)
    return Response(body, media_type="application/json")


@app.get("/best")
async def best(user: str) -> dict[str, object]:
    """The user's list, from the sorted set."""
    pairs = await redis.zrange(f"best:{user}", 0, N - 1, desc=True, withscores=True)
    return {"items": [{"id": item.decode(), "score": score} for item, score in pairs]}
