"""Writes the generated pages of docs/reference from the code: `make reference`; a test fails when one has drifted.

========================  ==========================================================
``cli.md``                the commands' own help (click)
``http-operations.md``    ``openapi.json`` of the serving layer
``configuration.md``      ``template.yaml`` and the docstring of the settings module
``python-api.md``         the docstrings of the public names (griffe; nothing is imported)
========================  ==========================================================
"""

import json
import re
import textwrap
from collections.abc import Callable, Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any, Final, TypeAlias

import click
import griffe
from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from larder_local.cli import cli

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs/reference"
PACKAGES: Final = {"larder_training": "training", "larder_client": "client", "larder": "layers/larder"}
Json: TypeAlias = dict[str, Any]

_NOTE: Final = "<!-- Written by docs/tools/reference.py from the code: `make reference` writes it again. -->"


def main() -> None:
    """Writes every generated page."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


def page(title: str, introduction: str, *parts: str) -> str:
    """A page: its title, a note on its origin, an introduction, and its parts."""
    return "\n\n".join([f"# {title}", _NOTE, _wrapped(introduction), *map(_wrapped, parts)]) + "\n"


def _wrapped(part: str) -> str:
    """Prose at 100 columns; tables, headings and code as they are."""
    paragraphs = part.split("\n\n")
    return "\n\n".join(
        text if text.startswith(("|", "#", "```", "<")) else textwrap.fill(text, 100, break_on_hyphens=False)
        for text in paragraphs
    )


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *([_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


# ------------------------------------------------------------------------------------------------- command line


def command_line() -> str:
    """``cli.md``."""
    introduction = (
        "Every command with its options, as `--help` shows them. Exit status: 0 done, 1 refused or failed (the reason "
        "is on standard error), 2 wrong usage. `larder` is in `.venv/bin`."
    )
    return page("Command line", introduction, *_commands(cli, "larder"))


def _commands(command: click.Command, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    yield f"## {name}"
    usage = " ".join(piece for piece in command.collect_usage_pieces(context))
    yield f"```text\n{name} {usage}\n```"
    if command.help:
        yield _prose(command.help)
    if options := [option for option in command.params if isinstance(option, click.Option) and not option.hidden]:
        yield table(["option", "meaning", "default"], [_option(option, context) for option in options])
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from _commands(found, f"{name} {child}")


def _prose(text: str) -> str:
    """A help text, with what click does not wrap (after a line of its own with a backspace character) as code."""
    paragraphs = cleandoc(text).split("\n\n")
    return "\n\n".join(
        f"```text\n{paragraph[2:]}\n```" if paragraph.startswith("\b\n") else _escaped(" ".join(paragraph.split()))
        for paragraph in paragraphs
    )


def _escaped(text: str) -> str:
    """Text in which nothing but code in backticks is markup."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\[\]<>*_])", r"\\\1", part) for part in parts)


def _option(option: click.Option, context: click.Context) -> list[str]:
    flags, text = option.get_help_record(context) or (option.opts[0], "")
    meaning = " ".join((option.help or "").split())
    extra = re.search(r"\s\[([^\[\]]*)\]$", f" {text.removeprefix(option.help or '')}")
    notes = [note.strip() for note in extra[1].split(";")] if extra else []
    default = next((note.removeprefix("default: ") for note in notes if note.startswith("default: ")), "")
    if "required" in notes:
        default = "required"
    others = [note for note in notes if note != "required" and not note.startswith("default: ")]
    meaning = " ".join([_escaped(meaning), *(f"({_escaped(note)})" for note in others)])
    return [f"`{flags}`", meaning, default if default in ("", "required") else f"`{default}`"]


# --------------------------------------------------------------------------------------------------------- HTTP


def http_operations() -> str:
    """``http-operations.md``."""
    document: Json = json.loads((ROOT / "layers/larder/larder/openapi.json").read_text(encoding="utf-8"))
    introduction = (
        f"{document['info']['description']}\n\nThis page is the OpenAPI document (`GET /openapi.json`) as text. "
        "[The HTTP API](http-api.md) has an example for each operation."
    )
    operations = [
        _operation(document, method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = [f"## {name}\n\n{_schema_text(document, schema)}" for name, schema in _objects(document)]
    return page("HTTP operations", introduction, *operations, *schemas)


def _resolved(document: Json, node: Json) -> Json:
    while "$ref" in node:
        found: Any = document
        for key in node["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        node = found
    return node


def _operation(document: Json, method: str, path: str, operation: Json) -> str:
    parts = [f"## {method.upper()} {path}", f"{operation['summary']}. {operation.get('description', '')}".strip()]
    if parameters := [_resolved(document, each) for each in operation.get("parameters", [])]:
        rows = [
            [f"`{each['name']}`", each["in"], _kind(document, each["schema"]), each.get("description", "")]
            for each in parameters
        ]
        parts.append(table(["parameter", "in", "value", "meaning"], rows))
    if "requestBody" in operation:
        bodies = operation["requestBody"]["content"].items()
        parts.append(
            table(["body", "value"], [[f"`{media}`", _kind(document, each["schema"])] for media, each in bodies])
        )
    rows = [[status, _answer(document, _resolved(document, each))] for status, each in operation["responses"].items()]
    return "\n\n".join([*parts, table(["status", "answer"], rows)])


def _answer(document: Json, response: Json) -> str:
    schemas = [each["schema"] for each in response.get("content", {}).values() if "schema" in each]
    named = [_kind(document, schema) for schema in schemas if "$ref" in schema]
    return " ".join([response["description"], *(f"({name})" for name in named)])


def _objects(document: Json) -> list[tuple[str, Json]]:
    schemas: dict[str, Json] = document["components"]["schemas"]
    return [(name, schema) for name, schema in schemas.items() if schema.get("type") == "object"]


def _schema_text(document: Json, schema: Json) -> str:
    required = set(schema.get("required", []))
    rows = [
        [
            f"`{name}`",
            _kind(document, each),
            "yes" if name in required else "",
            _resolved(document, each).get("description", ""),
        ]
        for name, each in schema.get("properties", {}).items()
    ]
    text: str = schema.get("description", "")
    return "\n\n".join(
        part for part in (text, table(["field", "value", "required", "meaning"], rows) if rows else "") if part
    )


_BOUNDS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "pattern": "matches `{}`",
}


def _kind(document: Json, schema: Json) -> str:
    """A schema in a few words: its type, its values and its bounds; objects by a link to their section."""
    if "$ref" in schema:
        name, target = schema["$ref"].rsplit("/", 1)[1], _resolved(document, schema)
        return f"[{name}](#{name.lower()})" if target.get("type") == "object" else _kind(document, target)
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "oneOf" in schema and "type" not in schema:
        return " or ".join(_kind(document, each) for each in schema["oneOf"])
    types = schema.get("type", "any")
    kind = " or ".join(types) if isinstance(types, list) else types
    if kind == "array":
        kind = f"array of {_kind(document, schema['items'])}"
    bounds = [text.format(schema[name]) for name, text in _BOUNDS.items() if name in schema]
    return ", ".join([kind, *bounds])


# ------------------------------------------------------------------------------------------------- configuration


def configuration() -> str:
    """``configuration.md``."""
    template: Json = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    introduction = "The parameters of `template.yaml`, the environment of each function, and that of the commands."
    parameters = [
        [f"`{name}`", f"`{each['Default']}`" if each["Default"] != "" else "none", _values(each), each["Description"]]
        for name, each in template["Parameters"].items()
    ]
    return page(
        "Configuration",
        introduction,
        "## Parameters of the stack",
        "`make deploy` asks for them.",
        table(["parameter", "default", "values", "meaning"], parameters),
        "## Environment of the functions",
        "The template sets these. A missing or malformed variable is reported at the first request, all at once. "
        "`larder up` takes a value from its own environment in place of the template's.",
        table(["variable", "meaning", *_functions(template)], list(_variables(template))),
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
        name.removesuffix("Function").lower(): shared | each["Properties"].get("Environment", {}).get("Variables", {})
        for name, each in template["Resources"].items()
        if each["Type"] == "AWS::Serverless::Function"
    }


def _variables(template: Json) -> Iterator[list[str]]:
    functions = _functions(template)
    for name, meaning in settings().items():
        yield [f"`{name}`", meaning, *(_value(each.get(name)) for each in functions.values())]


def _value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return next(f"`{argument}`" for argument in (str(each) for each in value.values()))
    return f"`{value}`"


def settings() -> dict[str, str]:
    """The functions' variables and what they mean, from the docstring of the settings module."""
    package = ROOT / PACKAGES["larder"] / "larder"
    path = next(path for path in (package / "runtime/settings.py", package / "settings.py") if path.exists())
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").split('"""')[1].splitlines():
        if named := re.match(r"\s*``(LARDER_\w+)``:?\s+(.*)", line):
            found[last := named[1]] = named[2]
        elif found and re.match(r"\s{8,}\S", line):
            found[last] += f" {line.strip()}"
    return {name: text.replace("``", "`") for name, text in found.items()}


def _command_variables() -> list[list[str]]:
    read: dict[str, dict[str, str]] = {}
    for name, command in _walk(cli, "larder"):
        for option in command.params:
            variables = option.envvar if isinstance(option.envvar, list | tuple) else [option.envvar]
            for variable in filter(None, variables):
                read.setdefault(variable, {})[name] = _escaped(" ".join((getattr(option, "help", "") or "").split()))
    rows = [
        [f"`{variable}`", ", ".join(f"`{name}`" for name in commands), next(iter(commands.values()))]
        for variable, commands in sorted(read.items())
    ]
    asking = "the service's address; without it, that of the `larder up` of this folder"
    return [*rows, ["`LARDER_URL`", "`larder classify`, `larder recommend`, `larder models`", asking]]


def _walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from _walk(found, f"{name} {child}")


# ---------------------------------------------------------------------------------------------------- Python API


def python_api() -> str:
    """``python-api.md``."""
    introduction = (
        "The public names of the Python packages, from their docstrings. Anything that is not listed here is internal "
        "and may change without notice. The command line offers the same: see [Command line](cli.md)."
    )
    return page("Python API", introduction, *(part for name in PACKAGES for part in _package(name)))


def _package(name: str) -> Iterator[str]:
    folder = ROOT / PACKAGES[name]
    if name == "larder" or not (folder / name / "__init__.py").exists():
        return  # serving has no public Python API
    paths = [ROOT / place for place in PACKAGES.values() if (ROOT / place).exists()]
    package = griffe.load(name, search_paths=paths, resolve_aliases=True, docstring_parser=griffe.Parser.google)
    if not isinstance(package, griffe.Module) or not package.exports:
        return
    yield f"## {name}"
    if package.docstring:
        yield _rst(package.docstring.value)
    for export in package.exports:
        member = package[str(export)]
        yield from _member(member.final_target if isinstance(member, griffe.Alias) else member, str(export))


def _member(member: griffe.Object, name: str, level: int = 3) -> Iterator[str]:
    yield f"{'#' * level} {name}"
    match member:
        case griffe.Function():
            yield f"```python\n{_signature(member)}\n```"
        case griffe.Module():
            yield f"The module `{member.path}`."
    yield from _docstring(member)
    if isinstance(member, griffe.Class):
        for method in member.functions.values():
            if not method.name.startswith("_") and method.docstring:
                yield from _member(method, f"{name}.{method.name}", level + 1)


def _signature(function: griffe.Function) -> str:
    """``def`` with a line for each parameter where one line is too long."""
    parameters: list[str] = []
    for each in function.parameters:
        if (
            each.kind is griffe.ParameterKind.keyword_only
            and "*" not in parameters
            and not any(p.startswith("*") for p in parameters)
        ):
            parameters.append("*")
        stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}.get(each.kind, "")
        annotation = f": {each.annotation}" if each.annotation is not None else ""
        default = f" = {each.default}" if each.default is not None and not stars else ""
        parameters.append(f"{stars}{each.name}{annotation}{default}")
    end = f") -> {function.returns}" if function.returns is not None else ")"
    line = f"{function.name}({', '.join(parameters)}{end}"
    return line if len(line) <= 88 else "\n".join([f"{function.name}(", *(f"    {each}," for each in parameters), end])


def _docstring(member: griffe.Object) -> Iterator[str]:
    if member.docstring is None:
        return
    for section in member.docstring.parse(griffe.Parser.google):
        match section.kind:
            case griffe.DocstringSectionKind.text:
                yield _rst(section.value)
            case griffe.DocstringSectionKind.examples:
                yield "\n\n".join(
                    f"```pycon\n{text}\n```" if kind is griffe.DocstringSectionKind.examples else _rst(text)
                    for kind, text in section.value
                )
            case griffe.DocstringSectionKind.parameters | griffe.DocstringSectionKind.attributes:
                yield table(
                    [section.kind.value.rstrip("s"), "type", "meaning"],
                    [[f"`{each.name}`", _type(each), _rst(each.description)] for each in section.value],
                )
            case griffe.DocstringSectionKind.returns | griffe.DocstringSectionKind.yields:
                yield f"**{section.kind.value.capitalize()}** " + " ".join(
                    _rst(each.description) for each in section.value
                )
            case griffe.DocstringSectionKind.raises:
                yield table(
                    ["raises", "when"], [[f"`{each.annotation}`", _rst(each.description)] for each in section.value]
                )
            case _:
                pass


def _type(element: Any) -> str:  # noqa: ANN401  # griffe's elements share no type that has an annotation
    return f"`{element.annotation}`" if element.annotation is not None else ""


def _rst(text: str) -> str:
    """A docstring's text: its double backticks as Markdown's single ones."""
    return re.sub(r"``([^`]+)``", r"`\1`", text)


PAGES: Final[dict[str, Callable[[], str]]] = {
    "cli.md": command_line,
    "http-operations.md": http_operations,
    "configuration.md": configuration,
    "python-api.md": python_api,
}

if __name__ == "__main__":
    main()
