"""The stack as CloudFormation gets it: template.yaml, translated in this process as ``sam deploy`` does."""

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
    """Replaces the list of managed policies that SAM loads from AWS; the template uses none."""

    @staticmethod
    def load() -> dict[str, str]:
        return {}


@cache
def written() -> str:
    """The template as JSON, with CloudFormation's short forms (``!Ref``) expanded."""
    return json.dumps(read_template(ROOT / "template.yaml"))


def translated(parameters: dict[str, str] | None = None, larder_layer: str = "s3://packaged/layer") -> Tree:
    """Plain CloudFormation, as the SAM transform creates it with these parameters as defaults."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of samtranslator, about its own code
        from samtranslator.translator.transform import transform  # type: ignore[import-untyped]  # ships no types

        tree: Tree = json.loads(written())
        for name, value in (parameters or {}).items():
            tree["Parameters"][name]["Default"] = value
        for name, resource in tree["Resources"].items():  # as `sam package` leaves them
            for uri in ("CodeUri", "ContentUri", "DefinitionUri"):
                if uri in resource.get("Properties", {}):
                    resource["Properties"][uri] = larder_layer if name == "LarderLayer" else "s3://packaged/object"
        plain: Tree = transform(tree, parameters or {}, Policies())
        return plain


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@pytest.fixture
def template() -> Tree:
    """The template."""
    tree: Tree = json.loads(written())
    return tree


@pytest.fixture
def resources() -> Tree:
    """The plain CloudFormation resources, by logical id, with intrinsic functions unresolved."""
    resources: Tree = translated()["Resources"]
    return resources


@pytest.fixture
def stack() -> Callable[..., Tree]:
    """Deploys with parameters: returns the resources whose condition is true, with all functions resolved."""

    def deploy(*, larder_layer: str = "s3://packaged/layer", **parameters: str) -> Tree:
        tree = translated(parameters, larder_layer)
        resolver = Resolver(tree)
        deployed = {
            name: resource
            for name, resource in tree["Resources"].items()
            if "Condition" not in resource or resolver.condition(resource["Condition"])
        }
        resolved = resolver.resolve(deployed)
        assert isinstance(resolved, dict)
        return resolved

    return deploy
