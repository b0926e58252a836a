"""Each built function in a container of Lambda's image with Lambda's limits, with a store in S3."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.e2e.conftest import FUNCTIONS, document, events, responses_of_the_source

from larder_local.gateway.template import Function
from larder_local.lambda_container import VCPU, Container, merge_layers, run_container

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("image")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_built_function_has_the_same_responses_as_the_source(
    name: str, functions: Mapping[str, Function], s3_environment: Mapping[str, str], tmp_path: Path
) -> None:
    function, cases = functions[FUNCTIONS[name]], events(name)
    expected = responses_of_the_source(name, function, list(cases.values()), s3_environment, tmp_path / "cache")
    with run_container(function, merge_layers(function, tmp_path / "opt"), s3_environment) as container:
        for (case, event), answer in zip(cases.items(), expected, strict=True):
            response = json.loads(container.invoke(json.dumps(event).encode()))
            assert "statusCode" in response, f"{case}: {response} {container.log()}"
            assert document(response) == document(answer), case
    # The comparison would also be true if neither found the store.
    assert 200 in {answer["statusCode"] for answer in expected}


def test_a_container_has_the_limits_and_the_rights_of_lambda(functions: Mapping[str, Function], tmp_path: Path) -> None:
    function = functions["ModelsFunction"]
    with run_container(function, merge_layers(function, tmp_path / "opt"), {}) as container:
        assert memory_limit(container) == function.memory * 2**20
        assert processor_share(container) == pytest.approx(function.memory / VCPU, abs=0.001)
        # A program started inside has the rights of all others.
        status = dict(line.split(":\t") for line in container.read("/proc/self/status").splitlines() if ":\t" in line)
        assert status["Uid"].split() == ["993"] * 4
        assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {0}
        assert status["NoNewPrivs"] == "1"
        mounts = {line.split()[1]: line.split()[3].split(",") for line in container.read("/proc/mounts").splitlines()}
        assert [mounts[path][0] for path in ("/", "/var/task", "/opt", "/tmp")] == ["ro", "ro", "ro", "rw"]  # noqa: S108


def test_a_handler_is_stopped_at_its_memory_and_timeout_and_the_next_event_succeeds(tmp_path: Path) -> None:
    # GIVEN a function of 128 MB and 8 s that allocates as requested, with a whole processor: with the share of 128 MB,
    # 7 %, a busy machine may time out before it runs out of memory
    (tmp_path / "app.py").write_text(GREEDY)
    tmp_path.chmod(0o755)
    function = Function("Greedy", "app.handler", tmp_path, (), {}, timeout=8, memory=128)
    with run_container(function, merge_layers(function, tmp_path / "opt"), {}, cpus=1.0) as container:

        def ask(**taken: float) -> dict[str, object]:
            result: dict[str, object] = json.loads(container.invoke(json.dumps(taken).encode()))
            return result

        assert ask(megabytes=40) == {"done": 40}
        # WHEN that exceeds a limit THEN the error is Lambda's, and a new process handles the next event
        assert ask(megabytes=400)["errorType"] == "Runtime.ExitError"
        assert ask(megabytes=41) == {"done": 41}
        assert b"timed out after 8" in container.invoke(b'{"seconds": 60}')
        assert ask(megabytes=42) == {"done": 42}


GREEDY = """
import time

def handler(event, context):
    taken = bytearray(event.get("megabytes", 0) * 2**20)
    time.sleep(event.get("seconds", 0))
    return {"done": len(taken) // 2**20}
"""


def memory_limit(container: Container) -> int:
    """In bytes, by either version of control groups."""
    try:
        return int(container.read("/sys/fs/cgroup/memory.max"))
    except Exception:  # noqa: BLE001  the older version has another file
        return int(container.read("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def processor_share(container: Container) -> float:
    """In vCPUs."""
    try:
        quota, period = container.read("/sys/fs/cgroup/cpu.max").split()
    except Exception:  # noqa: BLE001  the older version of control groups has other files
        quota, period = (container.read(f"/sys/fs/cgroup/cpu/cpu.cfs_{name}_us") for name in ("quota", "period"))
    return int(quota) / int(period)
