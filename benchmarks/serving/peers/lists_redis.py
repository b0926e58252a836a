"""FastAPI in front of Redis: each user's answer lies there as the bytes that are sent."""

import os

from fastapi import FastAPI, HTTPException, Response
from redis.asyncio import Redis

app = FastAPI()
redis = Redis(host="127.0.0.1", port=int(os.environ["REDIS_PORT"]))


@app.get("/recommend")
async def recommend(user: str) -> Response:
    """The user's list."""
    body = await redis.get(user)
    if body is None:
        raise HTTPException(404)
    return Response(body, media_type="application/json")
