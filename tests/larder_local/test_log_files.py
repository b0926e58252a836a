"""The log files of `larder up` while they are written, renamed and removed: each line of a canary comes once."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from larder_local.gateway import logs
from larder_local.gateway.log_files import LogFiles
from larder_local.gateway.logs import KEPT, FunctionLog, full_files

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def line(number: int) -> bytes:
    return (json.dumps({"arm": "canary", "request": number}) + "\n").encode()


def numbers(source: LogFiles, place: str | None) -> tuple[list[int], str | None]:
    found = []
    for page in source.pages(place, SINCE):
        found += [int(json.loads(text)["request"]) for text in page.lines]
        place = page.read_until
    return found, place


def test_each_line_comes_once_over_rotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_LARGEST", 1000)  # some 25 lines
    log, other, source = FunctionLog(tmp_path / "Classify.log"), FunctionLog(tmp_path / "Other.log"), LogFiles(tmp_path)
    read: list[int] = []
    place = None
    for number in range(1000):
        log.write(line(number))
        other.write(b'{"arm": null}\n')
        if number % 60 == 0:  # a look every two or three files
            found, place = numbers(source, place)
            read += found
    read += numbers(source, place)[0]
    assert read == list(range(1000))
    assert len(full_files(log.path)) == KEPT
    # WHEN the service starts again THEN the numbers go on
    log.close()
    last = max(full_files(log.path))
    again = FunctionLog(log.path)
    for number in range(30):
        again.write(line(number))
    assert max(full_files(log.path)) > last
    for opened in (again, other):
        opened.close()


def test_a_line_that_is_being_written_comes_when_it_is_whole(tmp_path: Path) -> None:
    path, source = tmp_path / "Classify.log", LogFiles(tmp_path)
    path.write_bytes(line(1) + line(2)[:10])
    found, place = numbers(source, None)
    assert found == [1]
    path.write_bytes(line(1) + line(2))
    assert numbers(source, place)[0] == [2]


def test_files_that_were_removed_or_emptied_begin_anew(tmp_path: Path) -> None:
    path, source = tmp_path / "Classify.log", LogFiles(tmp_path)
    assert numbers(LogFiles(tmp_path / "none"), None) == ([], None)
    path.write_bytes(line(1) + line(2))
    _, place = numbers(source, None)
    path.write_bytes(line(3))
    assert numbers(source, place)[0] == [3]
    path.unlink()
    assert numbers(source, place)[0] == []
