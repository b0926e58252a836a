"""Roll out an uploaded release: verify it, compare it with the live one, probe it, then promote it.

``plan`` is pure and returns steps. Each step is idempotent, since the same rollout may be requested twice and in any
order. The pointer changes by compare-and-swap only. A rejected release gets its reason in ``rejected.json``, next to
its manifest.
"""

from larder.rollout.executor import Outcome, promote, roll_out
from larder.rollout.golden_requests import SendRequest, probe, prober
from larder.rollout.plan import (
    ClearRejection,
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
from larder.rollout.upload import Upload, upload
from larder.rollout.verify import verify

__all__ = [
    "ClearRejection",
    "Gate",
    "KeepPointer",
    "Outcome",
    "Probe",
    "Promote",
    "Reject",
    "RolloutState",
    "SendRequest",
    "StartCanary",
    "Step",
    "Upload",
    "Verify",
    "plan",
    "probe",
    "prober",
    "promote",
    "roll_out",
    "upload",
    "verify",
]
