from pathlib import Path

from click.testing import CliRunner

from larder_training.recommender import command


def test_it_prints_the_release_s_folder(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(
        "USER_ID,ITEM_ID,TIMESTAMP\n" + "\n".join(f"u{n % 5},i{n % 7},{n}" for n in range(40)), encoding="utf-8"
    )
    arguments = ["--interactions", str(log), "--model", "shop", "--out", str(tmp_path / "out"), "--quiet"]
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
