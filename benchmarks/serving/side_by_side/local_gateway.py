"""Larder's local gateway with one worker per function, as ``larder up --built`` starts it, on the store in
``LARDER_STORE``.

``python local_gateway.py BUILT FOLDER PORT``
"""

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from larder_local.gateway.server import Gateway
from larder_local.gateway.template import Function
from larder_local.sam_build import load_build


async def serve(built: Path, folder: Path, port: int) -> None:
    """Serves until the process is ended."""

    def local(function: Function) -> Function:
        own = {"LARDER_STORE": os.environ["LARDER_STORE"], "LARDER_CACHE_DIR": str(folder / "cache")}
        own["LARDER_AUTHORIZATION"] = "NONE"  # as the other contenders, which check no keys
        return replace(function, environment={**function.environment, **own})

    served = load_build(built)
    local_functions = {name: local(function) for name, function in served.functions.items()}
    await Gateway(replace(served, functions=local_functions), logs=folder, workers=1).start(port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
