"""From an uploaded folder to the release that answers: checked, probed, and only then pointed at.

``plan`` decides and changes nothing; the steps that it returns are each idempotent, since whatever asks for a rollout
may ask twice, and in any order. Whatever goes wrong, the pointer stays where it is until ``promote`` moves it by
compare-and-swap, and the reason of a refusal is left beside the manifest, in ``rejected.json``.
"""

from larder.rollout.executor import Outcome, promote, reject, roll_out, upload
from larder.rollout.golden_requests import SendRequest, probe, prober
from larder.rollout.plan import ClearRejection, KeepPointer, Probe, Promote, Reject, RolloutState, Step, Verify, plan
from larder.rollout.verify import verify

__all__ = [
    "ClearRejection",
    "KeepPointer",
    "Outcome",
    "Probe",
    "Promote",
    "Reject",
    "RolloutState",
    "SendRequest",
    "Step",
    "Verify",
    "plan",
    "probe",
    "prober",
    "promote",
    "reject",
    "roll_out",
    "upload",
    "verify",
]
