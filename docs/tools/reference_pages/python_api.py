"""``python-api.md``: the docstrings of the public names. griffe reads them; nothing is imported."""

from collections.abc import Iterator
from typing import Any, Final

import griffe

from reference_pages.markdown import ROOT, from_rst, page, table

_SEARCH_PATHS: Final = [ROOT / folder for folder in ("training", "client", "layers/larder")]
_PACKAGES: Final = ("larder_training", "larder_client")
_SIGNATURE_COLUMNS: Final = 88
_INTRODUCTION: Final = (
    "The public names of the Python packages, with their docstrings. Everything else is internal and may change "
    "without notice. The commands do the same: see [Command line](cli.md). The [tutorials](../tutorials/index.md) show "
    "the API step by step."
)


def render() -> str:
    """The page ``python-api.md``."""
    return page("Python API", _INTRODUCTION, *(part for name in _PACKAGES for part in _package(name)))


def _package(name: str) -> Iterator[str]:
    loader = griffe.GriffeLoader(search_paths=_SEARCH_PATHS, docstring_parser=griffe.Parser.google)
    loader.load("larder")  # larder_training exports some of its classes
    package = loader.load(name)
    loader.resolve_aliases()
    if not isinstance(package, griffe.Module):
        raise TypeError(f"{name} is not a package")
    yield f"## {name}"
    if package.docstring:
        yield from_rst(package.docstring.value)
    for export in package.exports or ():
        member = package[str(export)]
        yield from _member(member.final_target if isinstance(member, griffe.Alias) else member, str(export))


def _member(member: griffe.Object, name: str, level: int = 3) -> Iterator[str]:
    yield f"{'#' * level} {name}"
    if isinstance(member, griffe.Function):
        yield f"```python\n{_signature(member)}\n```"
    yield from _docstring(member)
    if isinstance(member, griffe.Class):
        for method in member.functions.values():
            if not method.name.startswith("_") and method.docstring:
                yield from _member(method, f"{name}.{method.name}", level + 1)


def _signature(function: griffe.Function) -> str:
    """The signature, with one line per parameter if one line is too long."""
    parameters: list[str] = []
    for parameter in function.parameters:
        if parameter.kind is griffe.ParameterKind.keyword_only and not any(p.startswith("*") for p in parameters):
            parameters.append("*")
        stars = _STARS.get(parameter.kind, "")
        annotation = f": {parameter.annotation}" if parameter.annotation is not None else ""
        default = f" = {parameter.default}" if parameter.default is not None and not stars else ""
        parameters.append(f"{stars}{parameter.name}{annotation}{default}")
    end = f") -> {function.returns}" if function.returns is not None else ")"
    line = f"{function.name}({', '.join(parameters)}{end}"
    if len(line) <= _SIGNATURE_COLUMNS:
        return line
    return "\n".join([f"{function.name}(", *(f"    {parameter}," for parameter in parameters), end])


_STARS: Final = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}


def _docstring(member: griffe.Object) -> Iterator[str]:
    sections = member.docstring.parse(griffe.Parser.google) if member.docstring else []
    properties = _properties(member)
    for section in sections:
        match section.kind:
            case griffe.DocstringSectionKind.text:
                yield from_rst(section.value)
            case griffe.DocstringSectionKind.parameters:
                yield table(["parameter", "type", "meaning"], [_row(element) for element in section.value])
            case griffe.DocstringSectionKind.attributes:
                yield _attributes(member, [*map(_row, section.value), *properties])
                properties = []
            case griffe.DocstringSectionKind.returns:
                yield f"**Returns** {' '.join(from_rst(element.description) for element in section.value)}"
            case griffe.DocstringSectionKind.raises:
                rows = [[f"`{element.annotation}`", from_rst(element.description)] for element in section.value]
                yield table(["raises", "when"], rows)
            case _:
                raise ValueError(f"{member.path}: add the docstring section {section.kind} to this generator")
    if properties:
        yield _attributes(member, properties)


def _attributes(member: griffe.Object, rows: list[list[str]]) -> str:
    """The table of attributes, with a column of defaults if the class has any."""
    defaults = [_default(member, name.strip("`")) for name, *_ in rows]
    if not any(defaults):
        return table(["attribute", "type", "meaning"], rows)
    rows = [[name, kind, default, text] for (name, kind, text), default in zip(rows, defaults, strict=True)]
    return table(["attribute", "type", "default", "meaning"], rows)


def _default(member: griffe.Object, name: str) -> str:
    """The default of a field of a dataclass or named tuple; empty if it has none, or one that a factory makes."""
    has_fields = isinstance(member, griffe.Class) and (
        "dataclass" in member.labels or "NamedTuple" in map(str, member.bases)
    )
    attribute = member.members.get(name) if has_fields else None
    value = attribute.value if isinstance(attribute, griffe.Attribute) else None
    if value is None or str(value).startswith("field("):
        return ""
    constant = member.module.members.get(str(value))
    if isinstance(constant, griffe.Attribute) and constant.value is not None:
        value = constant.value
    return f"`{value}`"


def _properties(member: griffe.Object) -> list[list[str]]:
    """The rows of the documented public properties of a class."""
    attributes = member.attributes.values() if isinstance(member, griffe.Class) else ()
    return [
        [f"`{attribute.name}`", _type(attribute), from_rst(attribute.docstring.value)]
        for attribute in attributes
        if "property" in attribute.labels and attribute.docstring and not attribute.name.startswith("_")
    ]


def _row(element: Any) -> list[str]:  # noqa: ANN401  griffe's elements share no type that has an annotation
    return [f"`{element.name}`", _type(element), from_rst(element.description)]


def _type(element: Any) -> str:  # noqa: ANN401  as above
    """The annotation; an alias in the same module is replaced by its literals."""
    annotation = element.annotation
    if annotation is None:
        return ""
    if isinstance(annotation, griffe.ExprName) and isinstance(annotation.parent, griffe.Class):
        alias = annotation.parent.module.members.get(annotation.name)
        if isinstance(alias, griffe.Attribute) and str(alias.value).startswith("Literal["):
            return f"`{alias.value}`"
    return f"`{annotation}`"
