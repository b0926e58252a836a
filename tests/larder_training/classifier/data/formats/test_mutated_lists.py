"""CSV lists as programs and people damage them: each row is an image, a bad file or part of an error with its line."""

import csv
import random
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Literal

import pytest

from larder.errors import InvalidRequest
from larder_training.classifier.data.manifests import read_dataset

Quoting = Literal[0, 1, 2, 3]
QUOTINGS: tuple[Quoting, ...] = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)
LABELS = ("Äpfel", "Birnen, grün", "Süß-Kirschen")
ROWS = [(f"images/{n:03}.jpg", LABELS[n % 3], f"Größe {n}; „mittel“") for n in range(30)]
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")
CELLS: tuple[str, ...] = (
    '"',
    '""',
    "'",
    ",",
    ";",
    "\t",
    "|",
    "\n",
    "\r\n",
    "\0",
    "\ufeff",
    "\u200b",
    "",
    " ",
    "=A1",
    "#N/A",
    "NULL",
    "nan",
)
CELLS += (
    "x" * 200_000,
    "\ud83d",
    "../../..",
    "C:\\x\\y.jpg",
    "s3://",
    "http://h/a.jpg",
    "a\u0301",
    "1e308",
    "-",
    "[]",
    "{",
)


def table(draw: random.Random, separator: str, quoting: Quoting) -> str:
    """The rows as a CSV, its header written as people write it."""
    file = StringIO()
    write = csv.writer(file, delimiter=separator, quoting=quoting, lineterminator=draw.choice(("\n", "\r\n", "\r")))
    header = draw.choice((("path", "label"), ("File Name", "Class"), (" IMAGE ", "CATEGORY"), ("img-path", "Target")))
    write.writerow((*header, "note"))
    write.writerows(ROWS)
    return file.getvalue()


@pytest.mark.parametrize("seed", range(5))
def test_every_spelling_of_a_table_gives_the_same_images(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(30):
        separator = draw.choice(",;\t|")
        text = table(draw, separator, draw.choice(QUOTINGS))
        if draw.random() < 0.2:
            text = f"sep={separator}\n{text}"
        if draw.random() < 0.3:
            text += draw.choice(("\n", "\n\n\n", f"{separator * 2}\n", "  \n"))
        path = tmp_path / draw.choice(("list.csv", "list.txt", "list.tsv", "list"))
        path.write_bytes(text.encode(draw.choice(ENCODINGS)))
        dataset = read_dataset(path)
        assert [(image.name, image.label, image.side["note"]) for image in dataset] == ROWS, text
        assert not dataset.bad


def damaged(draw: random.Random, text: str) -> bytes:
    """A text with one kind of damage, in one of the encodings."""
    lines = text.splitlines(keepends=True)
    number = draw.randrange(len(lines))
    match draw.randrange(6):
        case 0:  # one odd cell
            cells = lines[number].rstrip("\r\n").split(",")
            cells[draw.randrange(len(cells))] = draw.choice(CELLS)
            lines[number] = ",".join(cells) + "\n"
        case 1:  # a line cut in the middle
            lines[number] = lines[number][: draw.randrange(len(lines[number]))]
        case 2:  # the end is missing
            lines = "".join(lines)[: draw.randrange(len(text))].splitlines(keepends=True)
        case 3:  # cells are missing or too many
            lines[number] = lines[number].rstrip("\r\n") + draw.choice((",x", ",,", ",x,y")) + "\n"
        case 4:  # another separator in one line
            lines[number] = lines[number].replace(",", draw.choice(";\t|"))
        case 5:  # some letters
            place = draw.randrange(len(lines[number]))
            lines[number] = lines[number][:place] + draw.choice(CELLS) + lines[number][place:]
    encoding = draw.choice(ENCODINGS)
    data = "".join(lines).encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")
    if draw.random() < 0.3 and "16" not in encoding:  # one byte, which UTF-16 takes for another letter
        place = draw.randrange(len(data) + 1)
        data = data[:place] + bytes([draw.randrange(256)]) + data[place + draw.randrange(2) :]
    return data


@pytest.mark.parametrize("seed", range(10))
def test_damage_is_an_error_or_a_bad_file_and_never_a_lost_row(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    path = tmp_path / "list.csv"
    outcomes = Counter[str]()
    for _ in range(30):
        data = damaged(draw, table(draw, ",", draw.choice(QUOTINGS)))
        path.write_bytes(data)
        outcomes[_outcome(path, data)] += 1
    assert outcomes["read"] > outcomes["refused"] > 0, outcomes


def _outcome(path: Path, data: bytes) -> str:
    try:
        dataset = read_dataset(path)
    except InvalidRequest as error:
        if path.name not in str(error):
            raise
        return "refused"
    known = " ".join(image.name for image in (*dataset, *(image for image, _ in dataset.bad)))
    lost = [name for name, _, _ in ROWS if name.encode() in data.replace(b"\0", b"") and name not in known]
    reasons = [reason for _, reason in dataset.bad]
    assert len(lost) <= len(reasons), (lost, reasons, data)
    assert all(reason.startswith("list.csv line ") for reason in reasons), reasons
    return "read"
