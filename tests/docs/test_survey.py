"""The counts of ``make survey``: large folders, old names, words that must not come back."""

from pathlib import Path

import pytest
import survey


@pytest.mark.parametrize(
    "line", ["He clicks.", "an item foretold", "a score is no probability", "PHOTOS", "the Taught head", "told"]
)
def test_a_forbidden_word_is_found(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a tracked page with the word in its second line
    (tmp_path / "page.md").write_text(f"# Title\n{line}\n")
    monkeypatch.setattr(survey, "ROOT", tmp_path)
    # WHEN the words are counted THEN the finding names file and line
    assert [(finding.path, finding.line) for finding in survey.forbidden_words(["page.md"])] == [("page.md", 2)]


@pytest.mark.parametrize(
    "line", ["the header", "photos10", "There is no folder.", "`novelty`", "novelty_threshold", "grep -hE"]
)
def test_other_words_pass(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.md").write_text(line)
    monkeypatch.setattr(survey, "ROOT", tmp_path)
    assert list(survey.forbidden_words(["page.md"])) == []


def test_old_names_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a module with an old name, a class with an old name, and a class name that stands twice
    folder = tmp_path / "training" / "larder_training"
    folder.mkdir(parents=True)
    (folder / "bench.py").write_text("class Search: ...\nclass Settled: ...\n")
    (folder / "trials.py").write_text("class Search: ...\n")
    monkeypatch.setattr(survey, "ROOT", tmp_path)
    # WHEN names are checked
    findings = survey.old_names(["training/larder_training/bench.py", "training/larder_training/trials.py"])
    # THEN each is named with its place
    assert [(finding.path.rpartition("/")[2], finding.line) for finding in findings] == [
        ("bench.py", 0),
        ("bench.py", 2),
        ("trials.py", 1),
    ]


def test_a_large_folder_is_found() -> None:
    files = [f"client/larder_client/part{number}.py" for number in range(13)]
    assert [finding.path for finding in survey.large_folders(files)] == ["client/larder_client"]
    assert list(survey.large_folders(files[:12])) == []


def test_the_repository_has_none() -> None:
    files = survey.tracked([])
    assert [finding for search in survey.SEARCHES.values() for finding in search(files)] == []
