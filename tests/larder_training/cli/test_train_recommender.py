import json
from pathlib import Path

from click.testing import CliRunner

from larder_training.cli.train_recommender import command


def test_it_prints_the_release_s_folder(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(
        "USER_ID,ITEM_ID,TIMESTAMP\n" + "\n".join(f"u{n % 5},i{n % 7},{n}" for n in range(40)), encoding="utf-8"
    )
    arguments = [
        "--interactions",
        str(log),
        "--model",
        "shop",
        "--out",
        str(tmp_path / "out"),
        "--quiet",
        "--allow-small",
    ]
    result = CliRunner().invoke(command, [*arguments, "--event-weights", "interaction=2", "--repeats", "never"])
    assert result.exit_code == 0, result.output
    folder = Path(result.stdout.strip())
    assert folder.parent == tmp_path / "out"
    assert (folder / "manifest.json").is_file()


def test_an_error_is_one_line_without_a_trace(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("USER_ID,ITEM_ID\nu,i\n", encoding="utf-8")
    result = CliRunner().invoke(command, ["--interactions", str(log), "--model", "shop"])
    assert result.exit_code == 1
    assert "log.csv has no column TIMESTAMP" in result.output
    assert "Traceback" not in result.output


def test_a_wrong_weight_is_named(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("USER_ID,ITEM_ID,TIMESTAMP\nu,i,1\n", encoding="utf-8")
    result = CliRunner().invoke(command, ["--interactions", str(log), "--model", "shop", "--event-weights", "view"])
    assert "'view' is not EVENT=NUMBER" in result.output


def test_many_files_and_every_signal(tmp_path: Path) -> None:
    """GIVEN a log in two files with purchases, returns, ratings, views and a robot."""
    head = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\n"
    day = 1_599_955_200
    first = [f"u{n % 5},i{n % 7},{day + n * 40},view," for n in range(60)]
    first += [f"u{n % 5},i{n % 7},{day + 10 + n * 40},review,{n % 5 + 1}" for n in range(60)]
    second = [f"u0,i{n % 7},{day + 5000 + n * 10},{event}," for n, event in enumerate(["pay", "back"] * 5)]
    second += [f"robot,i{n % 7},{day + n * 2},view," for n in range(1300)]
    for name, rows in (("a", first), ("b", second)):
        (tmp_path / f"{name}.csv").write_text(head + "\n".join(rows), encoding="utf-8")
    arguments = ["--model", "shop", "--out", str(tmp_path / "out"), "--quiet", "--allow-small"]
    arguments += ["--returns", "back", "--dwell", "view"]
    arguments += ["--interactions", str(tmp_path / "a.csv"), "--interactions", str(tmp_path / "b.csv")]
    result = CliRunner().invoke(command, [*arguments, "--event-values", "review=1:5"])
    assert result.exit_code == 0, result.output
    training = json.loads((Path(result.stdout.strip()) / "manifest.json").read_bytes())["training"]
    assert training["signals"] == {"returns": ["back"], "dwell": ["view"], "scales": {"review": [1, 5]}}
    assert [file["file"] for file in training["data"]["inputs"]["interactions"]["files"]] == ["a.csv", "b.csv"]
    audit = training["data"]["audit"]
    assert (audit["rows"], audit["bots"], audit["bot_users"], audit["used"]) == (1430, 1300, 1, 130)
    assert (audit["days"], audit["days_without_events"]) == (1, 0)
    kept = CliRunner().invoke(command, [*arguments, "--bots", "keep"])
    data = json.loads((Path(kept.stdout.strip()) / "manifest.json").read_bytes())["training"]["data"]
    assert (data["audit"]["bots"], data["audit"]["bot_users"], data["audit"]["used"]) == (0, 1, 1430)
