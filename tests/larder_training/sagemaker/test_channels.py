"""The channels of a job, as what a training reads."""

import tarfile
from pathlib import Path

import pytest
from tests.larder_training.sagemaker.conftest import CLASSIFIER, MakeJob

from larder.errors import InvalidRequest
from larder.release.manifest import Kind
from larder_training.sagemaker.channels import inputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "channel").mkdir()
    return tmp_path / "channel"


def test_a_recommender_reads_three_tables(folder: Path, tmp_path: Path) -> None:
    channels = {"interactions": folder, "items": folder, "users": folder}
    assert inputs("recommender", channels, None, tmp_path) == channels
    assert inputs("recommender", {"training": folder}, None, tmp_path) == {"interactions": folder}


def test_a_classifier_reads_a_list_below_its_channel(folder: Path, tmp_path: Path) -> None:
    (folder / "lists").mkdir()
    (folder / "lists/output.manifest").touch()
    assert inputs("classifier", {"train": folder}, "lists/output.manifest", tmp_path) == {
        "images": folder / "lists/output.manifest"
    }


def test_a_backbone_is_the_one_file_of_its_channel(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "backbone").mkdir()
    channels = {"train": folder, "backbone": tmp_path / "backbone"}
    with pytest.raises(InvalidRequest, match="Channel 'backbone' has 0 ONNX files"):
        inputs("classifier", channels, None, tmp_path)
    (tmp_path / "backbone/net.onnx").touch()
    assert inputs("classifier", channels, None, tmp_path)["backbone"] == tmp_path / "backbone/net.onnx"


@pytest.mark.parametrize(
    ("kind", "names", "list_name", "message"),
    [
        ("classifier", ["train", "items"], None, "Channel 'items' is unknown: a classifier reads train, validation, "),
        (
            "recommender",
            ["train"],
            None,
            "A recommender reads the channel 'interactions', or 'training': there is none",
        ),
        ("classifier", ["train", "training"], None, "there is both of them"),
        ("classifier", ["train"], "none.csv", "Hyperparameter 'list' is 'none.csv': give the path of a file in"),
        ("classifier", ["train"], "../secret", "Hyperparameter 'list' is '../secret': give the path of a file in"),
        ("classifier", ["train", "test"], "a.csv", "state the parts in the list's column split, or omit the list"),
        ("recommender", ["interactions", "model"], None, "Channel 'model' has neither manifest.json nor model.tar.gz"),
    ],
)
def test_what_cannot_be_read_is_refused(
    kind: Kind, names: list[str], list_name: str | None, message: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").touch()
    with pytest.raises(InvalidRequest, match=message):
        inputs(kind, dict.fromkeys(names, folder), list_name, tmp_path)


def test_an_archive_cannot_write_outside_its_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "evil").touch()
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "evil", "../../evil-escaped")
    with pytest.raises(InvalidRequest, match=r"model\.tar\.gz cannot be unpacked"):
        inputs("recommender", {"training": folder, "model": folder}, None, tmp_path / "a" / "b")
    assert not [*tmp_path.rglob("evil-escaped")]


def test_pipe_mode_is_refused_and_a_channel_must_be_mounted(make_job: MakeJob, folder: Path) -> None:
    layout = make_job(CLASSIFIER, train=folder)
    assert layout.channels() == {"train": layout.data / "train"}
    config = layout.root / "input/config/inputdataconfig.json"
    config.write_text('{"train": {"TrainingInputMode": "FastFile"}}')
    assert list(layout.channels()) == ["train"]
    config.write_text('{"train": {"TrainingInputMode": "Pipe"}}')
    with pytest.raises(InvalidRequest, match="choose 'File' or 'FastFile'"):
        layout.channels()
    config.write_text('{"test": {}}')
    with pytest.raises(InvalidRequest, match="Channel 'test' has no folder"):
        layout.channels()


def test_a_reason_is_cut_to_what_sagemaker_shows(make_job: MakeJob) -> None:
    layout = make_job(CLASSIFIER)
    layout.fail("x" * 5000)
    assert len(layout.failure.read_text()) == 1024
