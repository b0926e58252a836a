"""Roll out an uploaded release: verify it, compare it with the live one, probe it, then promote it.

``plan`` is pure and returns steps. Each step is idempotent, since the same rollout may be requested twice and in any
order. The pointer changes by compare-and-swap only. A rejected release gets its reason in ``rejected.json``, next to
its manifest.
"""

from larder.rollout.executor import STEPS, Executor, Outcome, outcome_of, roll_out
from larder.rollout.golden_requests import SendRequest, probe, prober
from larder.rollout.plan import (
    AwaitApproval,
    Gate,
    KeepPointer,
    Probe,
    Promote,
    Reject,
    RolloutState,
    StartCanary,
    Step,
    Verify,
    plan,
)
from larder.rollout.run import Run, parse_run
from larder.rollout.upload import Upload, upload
from larder.rollout.verify import verify

__all__ = [
    "STEPS",
    "AwaitApproval",
    "Executor",
    "Gate",
    "KeepPointer",
    "Outcome",
    "Probe",
    "Promote",
    "Reject",
    "RolloutState",
    "Run",
    "SendRequest",
    "StartCanary",
    "Step",
    "Upload",
    "Verify",
    "outcome_of",
    "parse_run",
    "plan",
    "probe",
    "prober",
    "roll_out",
    "upload",
    "verify",
]
