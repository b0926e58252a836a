"""``configuration.md``: ``template.yaml``, the docstring of the settings module, and the options of the commands."""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from larder_local.cli import cli
from reference_pages.command_line import walk
from reference_pages.markdown import ROOT, escape, page, table

Json: TypeAlias = dict[str, Any]


def render() -> str:
    """The page ``configuration.md``."""
    template: Json = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    functions = _functions(template)
    introduction = "The parameters of `template.yaml`, the environment of each function, and that of the commands."
    parameters = [
        [
            f"`{name}`",
            f"`{entry['Default']}`" if entry["Default"] != "" else "none",
            _values(entry),
            entry["Description"],
        ]
        for name, entry in template["Parameters"].items()
    ]
    return page(
        "Configuration",
        introduction,
        "## Parameters of the stack",
        "`make deploy` asks for them.",
        table(["parameter", "default", "values", "meaning"], parameters),
        "## Environment of the functions",
        "The template sets these variables. All missing or malformed ones are reported at the first request. A "
        "variable in the environment of `larder up` overrides that of the template.",
        table(["variable", "meaning", *functions], list(_variables(functions))),
        "## Environment of the commands",
        table(["variable", "read by", "meaning"], _command_variables()),
    )


def _values(parameter: Json) -> str:
    if "AllowedValues" in parameter:
        return ", ".join(f"`{value}`" for value in parameter["AllowedValues"])
    if "MinValue" in parameter:
        return (
            f"{parameter['MinValue']} to {parameter['MaxValue']}"
            if "MaxValue" in parameter
            else f"{parameter['MinValue']} or more"
        )
    return ""


def _functions(template: Json) -> dict[str, dict[str, str]]:
    """Each function's environment, by the function's short name."""
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    return {
        name.removesuffix("Function").lower(): shared | entry["Properties"].get("Environment", {}).get("Variables", {})
        for name, entry in template["Resources"].items()
        if entry["Type"] == "AWS::Serverless::Function"
    }


def _variables(functions: dict[str, dict[str, str]]) -> Iterator[list[str]]:
    for name, meaning in settings().items():
        yield [f"`{name}`", meaning, *(_value(each.get(name)) for each in functions.values())]


def _value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return next(f"`{argument}`" for argument in value.values())
    return f"`{value}`"


def settings() -> dict[str, str]:
    """The variables of the functions and their meanings, from the docstring of the settings module."""
    path = ROOT / "layers/larder/larder/runtime/settings.py"
    meanings: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").split('"""')[1].splitlines():
        if entry := re.match(r"\s*``(LARDER_\w+)``:?\s+(.*)", line):
            meanings[last := entry[1]] = entry[2]
        elif meanings and re.match(r"\s{8,}\S", line):
            meanings[last] += f" {line.strip()}"
    return {name: text.replace("``", "`") for name, text in meanings.items()}


def _command_variables() -> list[list[str]]:
    read: dict[str, dict[str, str]] = {}
    for name, command in walk(cli, "larder"):
        for option in command.params:
            variables = option.envvar if isinstance(option.envvar, list | tuple) else [option.envvar]
            for variable in filter(None, variables):
                read.setdefault(variable, {})[name] = escape(" ".join((getattr(option, "help", "") or "").split()))
    rows = [
        [f"`{variable}`", ", ".join(f"`{name}`" for name in commands), next(iter(commands.values()))]
        for variable, commands in sorted(read.items())
    ]
    meaning = "Address of the service. The default is that of the `larder up` of this folder."
    key = (
        "Key that requests present. The default is that of this folder (`.larder/key`), for the service of this folder."
    )
    rows.append(["`LARDER_KEY`", "`larder classify`, `larder recommend`, `larder status`", key])
    return [*rows, ["`LARDER_URL`", "`larder classify`, `larder recommend`, `larder models`", meaning]]
