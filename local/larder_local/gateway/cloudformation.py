"""CloudFormation's short-form tags in YAML, and the intrinsic functions behind them.

Follows the intrinsic function reference of the AWS CloudFormation template reference. Functions that need a deployed
stack (``Fn::ImportValue``, ``Fn::GetAZs``, ...) raise an error that names them.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, cast

import yaml

from larder.errors import SettingsError

REGION: Final = "us-east-1"
ACCOUNT: Final = "000000000000"
_PSEUDO: Final[Mapping[str, str]] = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/local/local",
    "AWS::StackName": "local",
    "AWS::URLSuffix": "amazonaws.com",
}
_NO_VALUE: Final = "AWS::NoValue"


class _Loader(yaml.SafeLoader):
    """YAML with tags such as ``!Ref``."""


def _construct(loader: _Loader, suffix: str, node: yaml.Node) -> object:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: object = loader.construct_scalar(node)
        return {name: str(value).split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(cast("yaml.MappingNode", node), deep=True)}


_Loader.add_multi_constructor("!", _construct)


def read_template(path: Path) -> dict[str, object]:
    """The template as nested dicts and lists, with tags in their long form; raises SettingsError."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506  a SafeLoader with tags of its own
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(
            f"{path} cannot be read as a SAM template: fix it or name another.", [str(error)]
        ) from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path} is not a SAM template: name one with a Resources section.", [])
    return document


class Resolver:
    """Replaces intrinsic functions by their values, with every parameter at its default.

    A reference to a resource becomes its logical id, and an attribute becomes ``<id>.<attribute>``: a local machine has
    no resource that could supply the real values.
    """

    def __init__(self, document: Mapping[str, object]) -> None:
        parameters = cast("Mapping[str, Mapping[str, object]]", document.get("Parameters") or {})
        self._parameters = {name: entry.get("Default", "") for name, entry in parameters.items()}
        self._conditions = cast("Mapping[str, object]", document.get("Conditions") or {})
        self._mappings = cast("Mapping[str, object]", document.get("Mappings") or {})
        self._functions: dict[str, Callable[[object], object]] = {
            "Ref": lambda name: self._reference(str(name)),
            "Fn::GetAtt": lambda parts: ".".join(str(part) for part in _list(parts)),
            "Fn::Sub": self._substitute,
            "Fn::Join": self._join,
            "Fn::Select": lambda parts: _list(self.resolve(_list(parts)[1]))[int(str(_list(parts)[0]))],
            "Fn::Split": lambda parts: str(self.resolve(_list(parts)[1])).split(str(_list(parts)[0])),
            "Fn::FindInMap": self._find,
            "Fn::If": self._choose,
            # Compared as texts, because a parameter of type Number is a text too.
            "Fn::Equals": lambda pair: str(self.resolve(_list(pair)[0])) == str(self.resolve(_list(pair)[1])),
            "Fn::And": lambda parts: all(self.resolve(part) for part in _list(parts)),
            "Fn::Or": lambda parts: any(self.resolve(part) for part in _list(parts)),
            "Fn::Not": lambda parts: not self.resolve(_list(parts)[0]),
            "Condition": lambda name: self.condition(str(name)),
        }

    def resolve(self, value: object) -> object:
        """``value`` with every intrinsic function replaced; raises SettingsError for one that needs a stack."""
        if isinstance(value, list):
            resolved = [self.resolve(item) for item in value]
            return [item for item in resolved if item != _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name in self._functions:
                return self._functions[name](argument)
            if str(name).startswith("Fn::"):
                raise SettingsError(
                    f"{name} cannot be resolved without a deployed stack: use a parameter in its place.", []
                )
        resolved_items = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved_items.items() if item != _NO_VALUE}

    def condition(self, name: str) -> bool:
        """Whether the condition ``name`` of the template holds."""
        if name not in self._conditions:
            raise SettingsError(f"The template has no condition {name!r}: define it under Conditions.", [])
        return bool(self.resolve(self._conditions[name]))

    def _reference(self, name: str) -> object:
        return self._parameters.get(name, _PSEUDO.get(name, name))

    def _substitute(self, argument: object) -> str:
        text, names = (argument, {}) if isinstance(argument, str) else _list(argument)
        values = cast("Mapping[str, object]", self.resolve(names))

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            # "${!Literal}" is how CloudFormation writes a plain "${Literal}".
            return f"${{{name[1:]}}}" if name.startswith("!") else str(values.get(name, self._reference(name)))

        return re.sub(r"\$\{([^}]+)\}", replace, str(text))

    def _join(self, argument: object) -> str:
        separator, parts = _list(argument)
        return str(separator).join(str(part) for part in _list(self.resolve(parts)))

    def _find(self, argument: object) -> object:
        value: object = self._mappings
        for key in map(str, _list(self.resolve(argument))):  # a parameter of type Number is a text too
            if not isinstance(value, dict) or key not in value:
                raise SettingsError(f"The template's Mappings have no {key!r}: add it.", [])
            value = value[key]
        return value

    def _choose(self, argument: object) -> object:
        name, positive, negative = _list(argument)
        return self.resolve(positive if self.condition(str(name)) else negative)


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise SettingsError(f"An intrinsic function has {value!r:.60} in place of a list: fix the template.", [])
    return value
