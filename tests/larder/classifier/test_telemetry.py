"""onnxruntime sends no telemetry, neither in serving nor in training."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["larder.classifier.graph", "larder_training.classifier.features.extract"])
def test_importing_writes_no_device_id(tmp_path: Path, module: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    program = f"import {module}, sys; assert 'onnxruntime' in sys.modules"

    subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", program], check=True, env=environment | {"HOME": str(tmp_path)}
    )

    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
