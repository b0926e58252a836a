"""The bundle that ``make build`` wrote, for the local gateway: the deployed code on the Python version of Lambda.

Handlers run on CPython 3.13. They can import their own code, their layers, the standard library and what Lambda's image
provides (AWS's runtime client and boto3), but nothing of the environment that Larder itself runs in.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from larder.errors import SettingsError
from larder_local import interpreter
from larder_local.gateway import worker_entrypoint
from larder_local.gateway.template import Function, Template, load

_RUNTIME: Final = "runtime"
# No site-packages of the installation or the user, and not the program's own folder.
_ISOLATED: Final = ("-S", "-s", "-P")


def load_build(folder: Path) -> Template:
    """The functions and routes of the built ``folder`` (``.aws-sam/build``); raises SettingsError if a part is missing.

    ``make build`` also writes the folder ``runtime``, next to ``folder``.
    """
    runtime = folder.resolve().parent / _RUNTIME
    if not (runtime / "awslambdaric").is_dir() or not (folder / "template.yaml").is_file():
        raise SettingsError(f"{folder} has no built bundle, or {runtime} is missing: run `make build`.", [])
    python = interpreter.find()
    template = load(folder / "template.yaml")
    functions = {name: _built(function, python, runtime) for name, function in template.functions.items()}
    return replace(template, functions=functions)


def _built(function: Function, python: Path, runtime: Path) -> Function:
    return replace(
        function,
        layers=(function.code, *function.layers, runtime),  # the order in which Lambda searches for modules
        environment={"AWS_EXECUTION_ENV": f"AWS_Lambda_python{interpreter.VERSION}", **function.environment},
        program=(str(python), *_ISOLATED, worker_entrypoint.__file__),
    )
