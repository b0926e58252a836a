"""What a job takes over from the command line of a release."""

from pathlib import Path

import pytest

from larder.errors import InvalidRequest
from larder_training.cli.stated_job import StatedJob, retrain_command, stated_job


def test_a_classifiers_command_is_a_job(tmp_path: Path) -> None:
    line = f"larder train classifier {tmp_path} --model pets --trials 3 --no-hidden --side price:number --mean 1,2,3"
    assert stated_job("classifier", line) == StatedJob(
        {"train": (tmp_path,)}, {"trials": 3, "hidden": False, "side": {"price": "number"}, "mean": [1.0, 2.0, 3.0]}
    )
    assert stated_job("classifier", f"larder train classifier {tmp_path} --model pets --no-side").hyperparameters == {
        "side": {}
    }


def test_a_recommenders_command_is_a_job(tmp_path: Path) -> None:
    line = (
        f"larder train recommender --interactions {tmp_path}/a.csv --interactions {tmp_path}/b.csv --items {tmp_path} "
        "--model shop --event-weights view=1,cart=3 --event-values review=1:5 --types YEAR=number --returns refund "
        "--without bpr --columns ITEM_ID=movie --trials 3 --no-cache --out elsewhere"
    )
    job = stated_job("recommender", line)
    assert job.channels == {"interactions": (tmp_path / "a.csv", tmp_path / "b.csv"), "items": (tmp_path,)}
    assert job.hyperparameters == {
        "event_weights": {"view": 1.0, "cart": 3.0},
        "event_values": {"review": (1.0, 5.0)},
        "types": {"YEAR": "number"},
        "returns": ("refund",),
        "without": ["bpr"],
        "columns": {"ITEM_ID": "movie"},
        "trials": 3,
    }


def test_the_command_of_a_job_states_it_again(tmp_path: Path) -> None:
    job = StatedJob({"train": (tmp_path / "with space",)}, {"trials": "3", "mean": [1, 2, 3]})
    again = stated_job("classifier", retrain_command("pets", job))
    assert again == StatedJob(job.channels, {"trials": "3", "mean": "[1, 2, 3]"})


@pytest.mark.parametrize("line", ["", "larder train recommender", "python my_own.py"])
def test_another_command_states_nothing(line: str) -> None:
    assert stated_job("classifier", line) == StatedJob({}, {})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("larder train classifier s3://bucket/images --model pets", "copy them to a folder and give --channel train="),
        ("larder train classifier images --model pets --backbone-spec net.json", "trained with --backbone-spec"),
    ],
)
def test_what_a_job_cannot_have_is_refused(line: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        stated_job("classifier", line)
