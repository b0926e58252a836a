"""The peers' environments: each its own, of pinned packages, made by uv on the functions' version of Python."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from larder_local import interpreter

PEERS: Final = Path(__file__).parents[1] / "peers"
_UV: Final = Path(sys.executable).with_name("uv")


def environment(name: str, folder: Path) -> Path:
    """The virtual environment of ``peers/requirements/<name>.txt``, made where absent, with byte code."""
    place, wanted = folder / name, (PEERS / "requirements" / f"{name}.txt").read_text()
    if not _stands(place, wanted):
        _uv("venv", "--clear", "--python", interpreter.find(), place)
        _install(name, "--python", place / "bin/python", "--compile-bytecode")
        (place / "made-from.txt").write_text(wanted)
    return place


def packages(place: Path) -> Path:
    """The folder of an environment's packages."""
    return place / "lib" / f"python{interpreter.VERSION}" / "site-packages"


def bundle(name: str, code: str, folder: Path, *, byte_code: bool) -> Path:
    """A function's folder with its packages in it, as ``sam build`` makes it: byte code is not its way."""
    place = folder / (f"{code}-compiled" if byte_code else code)
    wanted = (PEERS / "requirements" / f"{name}.txt").read_text() + (PEERS / code / "app.py").read_text()
    if not _stands(place, wanted):
        _install(name, "--python", interpreter.find(), "--target", place, "--link-mode", "copy")
        (place / "app.py").write_text((PEERS / code / "app.py").read_text())
        if byte_code:
            compiler = (interpreter.find(), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", place)
            subprocess.run(list(map(str, compiler)), check=True)  # noqa: S603  our own command
        place.chmod(0o755)
        (place / "made-from.txt").write_text(wanted)
    return place


def _stands(place: Path, wanted: str) -> bool:
    made = place / "made-from.txt"
    return made.is_file() and made.read_text() == wanted


def _install(name: str, *options: str | Path) -> None:
    _uv("pip", "install", "--requirements", PEERS / "requirements" / f"{name}.txt", *options)


def _uv(*arguments: str | Path) -> None:
    subprocess.run([str(_UV), "--quiet", *map(str, arguments)], check=True)  # noqa: S603  our own command
