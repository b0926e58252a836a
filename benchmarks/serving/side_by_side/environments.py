"""The environments of the peers, with pinned packages, created by uv with the functions' version of Python."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from larder_local import interpreter

PEERS: Final = Path(__file__).parents[1] / "peers"
_UV: Final = Path(sys.executable).with_name("uv")


def environment(name: str, folder: Path) -> Path:
    """The virtual environment of ``peers/requirements/<name>.txt``, created if missing, with byte code."""
    path, requirements = folder / name, (PEERS / "requirements" / f"{name}.txt").read_text()
    if not _is_current(path, requirements):
        _uv("venv", "--clear", "--python", interpreter.find(), path)
        _install(name, "--python", path / "bin/python", "--compile-bytecode")
        (path / "requirements-installed.txt").write_text(requirements)
    return path


def packages(path: Path) -> Path:
    """The folder of an environment's packages."""
    return path / "lib" / f"python{interpreter.VERSION}" / "site-packages"


def bundle(name: str, code: str, folder: Path, *, byte_code: bool) -> Path:
    """The folder of a function with its packages, as ``sam build`` creates it (without byte code)."""
    path = folder / (f"{code}-compiled" if byte_code else code)
    requirements = (PEERS / "requirements" / f"{name}.txt").read_text() + (PEERS / code / "app.py").read_text()
    if not _is_current(path, requirements):
        _install(name, "--python", interpreter.find(), "--target", path, "--link-mode", "copy")
        (path / "app.py").write_text((PEERS / code / "app.py").read_text())
        if byte_code:
            compiler = (interpreter.find(), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", path)
            subprocess.run(list(map(str, compiler)), check=True)  # noqa: S603  our own command
        path.chmod(0o755)
        (path / "requirements-installed.txt").write_text(requirements)
    return path


def _is_current(path: Path, requirements: str) -> bool:
    installed = path / "requirements-installed.txt"
    return installed.is_file() and installed.read_text() == requirements


def _install(name: str, *options: str | Path) -> None:
    _uv("pip", "install", "--requirements", PEERS / "requirements" / f"{name}.txt", *options)


def _uv(*arguments: str | Path) -> None:
    subprocess.run([str(_UV), "--quiet", *map(str, arguments)], check=True)  # noqa: S603  our own command
