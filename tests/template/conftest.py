"""The stack as CloudFormation will see it: template.yaml, translated in this process as ``sam deploy`` has it done."""

import json
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from tests.paths import ROOT

from larder_local.gateway.cloudformation import Resolver, read_template

Tree = dict[str, Any]


class Policies:
    """Stands for the list of managed policies that SAM loads from AWS; the template's own roles name none."""

    @staticmethod
    def load() -> dict[str, str]:
        return {}


@cache
def written() -> str:
    """The template as it is written, with CloudFormation's short forms (``!Ref``) spelt out, as JSON."""
    return json.dumps(read_template(ROOT / "template.yaml"))


def translated(parameters: dict[str, str] | None = None, larder_layer: str = "s3://packaged/layer") -> Tree:
    """Plain CloudFormation, as the SAM transform makes it of these parameters; they are its defaults then."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # samtranslator's own, about its own code
        from samtranslator.translator.transform import transform  # type: ignore[import-untyped]  # ships no types

        tree: Tree = json.loads(written())
        for name, value in (parameters or {}).items():
            tree["Parameters"][name]["Default"] = value
        for name, resource in tree["Resources"].items():  # as `sam package` leaves them
            for place in ("CodeUri", "ContentUri"):
                if place in resource.get("Properties", {}):
                    resource["Properties"][place] = larder_layer if name == "LarderLayer" else "s3://packaged/object"
        made: Tree = transform(tree, parameters or {}, Policies())
        return made


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@pytest.fixture
def template() -> Tree:
    """The template as it is written."""
    tree: Tree = json.loads(written())
    return tree


@pytest.fixture
def resources() -> Tree:
    """The plain CloudFormation resources, by logical id, with every intrinsic function as it stands."""
    found: Tree = translated()["Resources"]
    return found


@pytest.fixture
def stack() -> Callable[..., Tree]:
    """What a deployment with these parameters makes: resources whose condition holds, all functions resolved."""

    def deploy(*, larder_layer: str = "s3://packaged/layer", **parameters: str) -> Tree:
        tree = translated(parameters, larder_layer)
        resolver = Resolver(tree)
        made = {
            name: each
            for name, each in tree["Resources"].items()
            if "Condition" not in each or resolver.condition(each["Condition"])
        }
        resolved = resolver.resolve(made)
        assert isinstance(resolved, dict)
        return resolved

    return deploy
