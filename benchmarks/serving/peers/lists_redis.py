"""FastAPI in front of Redis, in two ways.

``/recommend``: each user's answer lies there as the bytes that are sent. ``/best``: his items lie there as a sorted
set, as Redis's own guides keep ranked items, and become JSON when they are asked for.
"""

import os

from fastapi import FastAPI, HTTPException, Response
from redis.asyncio import Redis

N = 25

app = FastAPI()
redis = Redis(host="127.0.0.1", port=int(os.environ["REDIS_PORT"]))


@app.get("/recommend")
async def recommend(user: str) -> Response:
    """The user's list, ready since it was stored."""
    body = await redis.get(user)
    if body is None:
        raise HTTPException(404)
    return Response(body, media_type="application/json")


@app.get("/best")
async def best(user: str) -> dict[str, object]:
    """The user's list, made of his sorted set."""
    found = await redis.zrange(f"best:{user}", 0, N - 1, desc=True, withscores=True)
    return {"items": [{"id": item.decode(), "score": score} for item, score in found]}
