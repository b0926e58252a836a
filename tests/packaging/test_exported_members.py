"""``__all__`` of every package lists exactly what the package offers."""

import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

import larder
import larder_client
import larder_local
import larder_training

PACKAGES = (larder, larder_client, larder_local, larder_training)


def exporting() -> list[str]:
    """The packages that declare ``__all__``."""
    names = [package.__name__ for package in PACKAGES]
    for package in PACKAGES:
        modules = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        names += [module.name for module in modules if module.ispkg]
    return sorted(name for name in names if hasattr(import_module(name), "__all__"))


def public_names(module: ModuleType) -> set[str]:
    """The classes and functions of Larder that are in ``module`` without an underscore."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.partition(".")[0] == module.__name__.partition(".")[0]
    }


@pytest.mark.parametrize("name", exporting())
def test_all_names_what_a_package_offers(name: str) -> None:
    module = import_module(name)
    assert [public for public in module.__all__ if not hasattr(module, public)] == []
    assert public_names(module) <= set(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)


def test_the_training_package_offers_what_its_documentation_names() -> None:
    assert {"train_classifier", "train_recommender", "evaluate", "audit", "Release"} <= set(larder_training.__all__)
    assert set(larder_training.__all__) == set(larder_training._MODULES)
    assert set(larder_training.__all__) <= set(dir(larder_training))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'larder_training' has no attribute 'train_regressor'"):
        larder_training.train_regressor  # noqa: B018  the access is what is tested


def test_importing_the_training_package_loads_no_other_library() -> None:
    code = "import sys, larder_training; print({'numpy', 'polars', 'PIL', 'onnxruntime', 'obstore'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  the code above
    assert done.stdout == "set()\n"
