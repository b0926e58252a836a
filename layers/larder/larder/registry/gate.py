"""Whether a new release may replace the live one: the gate that each rollout and each promotion passes."""

from larder.errors import ReleaseError
from larder.registry.policy import RolloutPolicy
from larder.release.comparison import QualityComparison, compare
from larder.release.manifest import Manifest
from larder.release.quality import quality


def check_gate(new: Manifest, live: Manifest, policy: RolloutPolicy) -> QualityComparison:
    """The comparison of a release that may replace the live one; raises ReleaseError, with both numbers, if it may not.

    It may not if it is worse by more than the policy's margin, or if it could not be compared on the same data and the
    policy requires that.
    """
    found = compare(new, live, policy.metric)
    if found.worse(policy.margin):
        numbers = _numbers(new, live, policy.metric)
        limit = f" by more than the margin {policy.margin:g}" if policy.margin else ""
        raise ReleaseError(
            f"It is worse than the live {live.release}{limit}, beyond noise: {numbers}. {found.how} To publish it "
            f"nevertheless: larder publish {new.release} --force"
        )
    if policy.not_measurable == "reject" and found.evidence in ("rough", "none"):
        raise ReleaseError(
            f"The policy requires a comparison with the live {live.release} on the same data. {found.how} Train it "
            "with --compare-with (recommenders) or --parent (classifiers), or change the policy: larder policy "
            f"{new.model} --not-measurable promote"
        )
    return found


def _numbers(new: Manifest, live: Manifest, metric: str | None) -> str:
    """Both qualities; those that are not stated are left out."""
    stated = ((quality(new, metric), "new"), (quality(live, metric), "live"))
    return ", ".join(f"{name} {entry.short()} on {entry.tested_on()}" for entry, name in stated if entry)
