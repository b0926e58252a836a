"""The bundle that ``make build`` made, for the local gateway: what is deployed, under the Python that Lambda has.

Handlers then run on CPython 3.13 and see their own code, their layers, the standard library and what Lambda has beside
them (AWS's runtime client and boto3), but nothing of the environment that Larder itself runs in.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from larder.errors import SettingsError
from larder_local import interpreter
from larder_local.gateway import worker_entrypoint
from larder_local.gateway.template import Function, Template, load

_RUNTIME: Final = "runtime"
# No site-packages, neither the installation's nor the user's, and no folder of the program on the path.
_ALONE: Final = ("-S", "-s", "-P")


def load_build(folder: Path) -> Template:
    """The functions and routes of the built ``folder`` (``.aws-sam/build``); raises SettingsError where one is missing.

    Beside ``folder`` stands the folder ``runtime``, which ``make build`` made too.
    """
    runtime = folder.resolve().parent / _RUNTIME
    if not (runtime / "awslambdaric").is_dir() or not (folder / "template.yaml").is_file():
        raise SettingsError(f"{folder} holds no built bundle with {runtime} beside it: run `make build`.", [])
    python = interpreter.find()
    template = load(folder / "template.yaml")
    functions = {name: _built(function, python, runtime) for name, function in template.functions.items()}
    return replace(template, functions=functions)


def _built(function: Function, python: Path, runtime: Path) -> Function:
    return replace(
        function,
        layers=(function.code, *function.layers, runtime),  # in the order in which Lambda looks for modules
        environment={"AWS_EXECUTION_ENV": f"AWS_Lambda_python{interpreter.VERSION}", **function.environment},
        program=(str(python), *_ALONE, worker_entrypoint.__file__),
    )
