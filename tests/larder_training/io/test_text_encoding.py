"""Text files in the encodings that spreadsheets and exports write are read; damage is named with its line."""

import gzip
from pathlib import Path

import pytest

from larder.errors import InvalidRequest
from larder_training.io import text_encoding
from larder_training.io.text_encoding import as_utf8, detect_encoding, read_text

GERMAN = "Datei,Art\nb1.png,Äpfel\nb2.png,Birne für Kühe\nb3.png,Größe – „klein“\n"


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        (GERMAN, "utf-8", "UTF-8"),
        (GERMAN, "utf-8-sig", "UTF-8"),
        (GERMAN, "utf-16", "UTF-16"),
        (GERMAN, "utf-16-le", "UTF-16"),
        (GERMAN, "utf-16-be", "UTF-16 (big-endian)"),
        (GERMAN, "utf-32", "utf-32-le"),
        (GERMAN, "cp1252", "Windows-1252"),
        ("path,label\na.png,Größe\n", "cp1252", "Windows-1252"),
        ("path,label\na.png,café\nb.png,l’été\nc.png,¿qué?\nd.png,crème brûlée\n", "cp1252", "Windows-1252"),
        ("path,label\na.png,ÄRGER\nb.png,Übung\nc.png,Bær\nd.png,þorskur í sjó\n", "cp1252", "Windows-1252"),
        ("path,label\na.png,ağaç\nb.png,şişe\nc.png,çay\n", "cp1254", "Windows-1254"),
        ("path,label\na.png,żółw\nb.png,łąka\n", "cp1250", "Windows-1250"),
        ("path,label\na.png,кошка\nb.png,собака\nc.png,большая лошадь\n", "cp1251", "Windows-1251"),
        ("path,label\na.png,Äpfel\nb.png,grün\nc.png,Bär\n", "mac_roman", "Mac Roman"),
        ("path,label\na.png,Bär\nb.png,grün\n", "cp850", "MS-DOS (code page 850)"),
        ("path,label\na.png,猫の写真\nb.png,犬と子ども\n", "cp932", "Shift JIS"),
        ("path,label\r\na.png,猫\r\nb.png,犬\r\n", "utf-16-le", "UTF-16"),
        ("plain,ascii\n1,2\n", "ascii", "UTF-8"),
        ("", "ascii", "UTF-8"),
    ],
)
def test_each_encoding_gives_the_same_text(tmp_path: Path, text: str, codec: str, name: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode(codec))
    read, encoding = read_text(path, "list.csv")
    assert (read, encoding.name) == (text, name)
    copy, _ = as_utf8(path, "list.csv", tmp_path)
    assert copy.read_bytes().decode() == text
    assert (copy == path) == (codec in {"utf-8", "ascii"})


def test_lines_of_old_macintosh_programs_end_like_others(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"path,label\ra.png,B\x8ar\r")
    copy, encoding = as_utf8(path, "list.csv", tmp_path)
    assert (copy.read_text(encoding="utf-8"), encoding.name) == ("path,label\na.png,Bär\n", "Mac Roman")


def test_one_letter_at_the_end_of_a_large_file_decides(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"user,item\n" + b"u1,i1\n" * 400_000 + "u2,Käse\n".encode("cp1252"))
    copy, encoding = as_utf8(path, "log.csv", tmp_path)
    assert encoding.describe("log.csv") == (
        "log.csv is read as Windows-1252 (a guess: if letters look wrong, save it as CSV UTF-8)."
    )
    assert copy.read_text(encoding="utf-8").endswith("u2,Käse\n")


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "cp932", "gb18030"])
def test_letters_across_blocks_stay_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str) -> None:
    monkeypatch.setattr(text_encoding, "BLOCK", 7)
    japanese, chinese = (
        "パス,ラベル\n" + "ねこ,猫の写真\nいぬ,大きい犬です\n" * 9,
        "路径,标签\n" + "图片,小狗和猫咪\n" * 30,
    )
    text = chinese if codec == "gb18030" else japanese
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode(codec))
    assert read_text(path, "list.csv")[0] == text


def test_gzip_is_read_and_damage_is_named(tmp_path: Path) -> None:
    path, data = tmp_path / "log.csv.gz", gzip.compress((GERMAN * 500).encode("cp1252"))
    path.write_bytes(data)
    copy, _ = as_utf8(path, "log.csv.gz", tmp_path)
    assert (copy.suffix, copy.read_text(encoding="utf-8")) == (".csv", GERMAN * 500)
    path.write_bytes(data[:-20])
    with pytest.raises(InvalidRequest, match=r"log\.csv\.gz is cut off: gzip cannot"):
        detect_encoding(path, path.name)
    path.write_bytes(data[:40] + bytes(8) + data[48:])
    with pytest.raises(InvalidRequest, match=r"log\.csv\.gz is damaged"):
        detect_encoding(path, path.name)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (GERMAN.encode() + "c,Gr\xfcn\n".encode("cp1252"), r"a\.csv, line 5: bytes that are not UTF-8"),
        ((GERMAN + "c.png,Grün").encode()[:-2], r"a\.csv, line 5: the file ends in the middle of a character"),
        (b"path,label\na.png,b\0x\n" + b"c,d\n" * 20, r"a\.csv, line 2: a NUL byte"),
        (b"path,label\na.png,box\n" + bytes(64), r"a\.csv, line 3: a NUL byte"),
        (GERMAN.encode("utf-16")[:-1], r"a\.csv, line \d: the file ends in the middle"),
        (b"PK\x03\x04rest", r"a\.csv is not text but a zip archive or an Excel workbook\. Save"),
        (b"\xef\xbb\xbfpath,label\na,Gr\xfcn\n", r"a\.csv, line 2: bytes that are not UTF-8"),
    ],
)
def test_damage_is_an_error_that_names_the_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    with pytest.raises(InvalidRequest, match=message):
        read_text(path, "a.csv")
