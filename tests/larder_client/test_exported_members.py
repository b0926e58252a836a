"""``__all__`` lists exactly what the package offers."""

import inspect
import subprocess
import sys
from pathlib import Path

import larder_client
from larder_client import errors

CLIENT = Path(larder_client.__file__).parents[1]


def test_all_lists_what_the_package_imports_from_its_modules() -> None:
    public = {
        name for name, value in vars(larder_client).items() if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert sorted(larder_client.__all__) == sorted(public)


def test_every_error_is_exported_and_in_the_documented_tree() -> None:
    names = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.ClientError) and not name.startswith("_")
    }
    assert names == set(errors.__all__) <= set(larder_client.__all__)
    assert errors.__doc__
    tree = errors.__doc__.partition("::")[2].partition("``retryable``")[0]
    for name in names:
        assert tree.split().count(name) == 1, name


def test_the_package_is_typed() -> None:
    assert (CLIENT / "larder_client" / "py.typed").is_file()


def test_it_needs_only_the_standard_library() -> None:
    # -S: without the folder of installed packages; -I: without the environment's paths.
    code = f"import sys; sys.path.insert(0, {str(CLIENT)!r}); from larder_client import *; print(Client('http://x'))"
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  the code above
    assert ran.stdout == "Client('http://x')\n"
