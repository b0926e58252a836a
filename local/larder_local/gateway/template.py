"""Reads the functions and HTTP routes of a SAM template, with everything that a worker process needs.

Follows the AWS SAM specification: ``Globals.Function`` is merged under each function's own properties, and ``Layers``
become import paths. A function takes messages if it has an event of type ``SQS`` or an event source mapping. Routes are
the ``HttpApi`` events of the functions and the ``AWS::ApiGatewayV2::Route`` resources
of the template, whose target is an integration, whose URI is a function.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from larder.errors import SettingsError
from larder_local.gateway.cloudformation import Resolver, read_template
from larder_local.gateway.routes import ANY, DEFAULT, Route

# Lambda's own defaults.
_TIMEOUT: Final = 3
_MEMORY: Final = 128
_FUNCTION: Final = "AWS::Serverless::Function"


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function.

    Attributes:
        name: The logical id.
        handler: ``module.function``.
        code: The working folder.
        layers: The folders that imports come from, in addition to ``code``.
        environment: The variables of the template.
        timeout: Seconds.
        memory: MiB; the handler can read it, but it is not enforced.
        json_logs: Whether the log format is JSON.
        takes_messages: Whether a queue of SQS is one of its event sources.
        program: The command of a worker process, which gets the gateway's process id and ``handler`` as arguments.
    """

    name: str
    handler: str
    code: Path
    layers: tuple[Path, ...]
    environment: Mapping[str, str]
    timeout: float
    memory: int
    json_logs: bool = False
    takes_messages: bool = False
    program: tuple[str, ...] = (sys.executable, "-m", "larder_local.gateway.worker_entrypoint")


@dataclass(frozen=True, slots=True)
class Template:
    """What the gateway serves.

    Attributes:
        functions: The functions behind routes, and those that take messages of a queue, by logical id.
        routes: All routes.
    """

    functions: Mapping[str, Function]
    routes: tuple[Route, ...]


def load(path: Path) -> Template:
    """Reads a template, whose paths are relative to its folder; raises SettingsError with every problem."""
    document = read_template(path)
    reader = _Reader(document, path.resolve().parent)
    functions = {name: reader.function(name, entry) for name, entry in reader.of_type(_FUNCTION).items()}
    routes = [*reader.events(), *reader.routes()]
    if not routes:
        reader.problems.append("the template has no HttpApi event and no AWS::ApiGatewayV2::Route: add a route")
    if reader.problems:
        raise SettingsError(f"{path} cannot be served on this machine: fix these problems.", reader.problems)
    routed = {route.function for route in routes}
    called = {name: function for name, function in functions.items() if name in routed or function.takes_messages}
    return Template(called, tuple(routes))


class _Reader:
    """Reads one template; ``problems`` collects everything that is wrong with it."""

    def __init__(self, document: Mapping[str, object], folder: Path) -> None:
        self.problems: list[str] = []
        self._folder = folder
        self._resolver = Resolver(document)
        self._resources = _mapping(document.get("Resources"))
        self._shared = _mapping(_mapping(document.get("Globals")).get("Function"))
        mappings = self.of_type("AWS::Lambda::EventSourceMapping").values()
        self._mapped = {str(self._resolve(mapping.get("FunctionName", ""))).partition(".")[0] for mapping in mappings}

    def of_type(self, kind: str) -> dict[str, Mapping[str, object]]:
        """The properties of the resources of type ``kind`` whose condition holds, by logical id."""
        resources = {}
        for name, entry in self._resources.items():
            resource = _mapping(entry)
            if resource.get("Type") == kind and (
                "Condition" not in resource or self._resolver.condition(str(resource["Condition"]))
            ):
                resources[name] = _mapping(resource.get("Properties"))
        return resources

    def function(self, name: str, properties: Mapping[str, object]) -> Function:
        """The function ``name``: its ``properties`` over those of ``Globals``."""
        own = {**self._shared, **properties}
        variables = {
            **_mapping(_mapping(self._shared.get("Environment")).get("Variables")),
            **_mapping(_mapping(properties.get("Environment")).get("Variables")),
        }
        handler, code = str(self._resolve(own.get("Handler", ""))), self._resolve(own.get("CodeUri", ""))
        if not isinstance(code, str) or not code or not (self._folder / code).is_dir():
            self.problems.append(f"{name}.CodeUri is {code!r}: it must be a folder next to the template")
        if "." not in handler:
            self.problems.append(f"{name}.Handler is {handler!r}: it must be module.function")
        return Function(
            name=name,
            handler=handler,
            code=self._folder / str(code),
            layers=self._layers(name, [*_listed(self._shared.get("Layers")), *_listed(properties.get("Layers"))]),
            environment={key: _text(value) for key, value in _mapping(self._resolve(variables)).items()},
            timeout=self._number(name, "Timeout", own.get("Timeout", _TIMEOUT), 900),
            memory=self._number(name, "MemorySize", own.get("MemorySize", _MEMORY), 10240),
            json_logs=_mapping(self._resolve(own.get("LoggingConfig"))).get("LogFormat") == "JSON",
            takes_messages=name in self._mapped
            or any(_mapping(event).get("Type") == "SQS" for event in _mapping(properties.get("Events")).values()),
        )

    def events(self) -> list[Route]:
        """The routes that are HttpApi events of functions."""
        routes = []
        for name, properties in self.of_type(_FUNCTION).items():
            for event in _mapping(properties.get("Events")).values():
                if _mapping(event).get("Type") == "HttpApi":
                    details = _mapping(self._resolve(_mapping(event).get("Properties")))
                    method, path = str(details.get("Method", ANY)), str(details.get("Path", DEFAULT))
                    routes.append(Route(ANY if method == "*" else method.upper(), path, name))
        return routes

    def routes(self) -> list[Route]:
        """The routes that are resources."""
        integrations = self.of_type("AWS::ApiGatewayV2::Integration")
        functions = self.of_type(_FUNCTION)
        routes = []
        for name, properties in self.of_type("AWS::ApiGatewayV2::Route").items():
            key, target = (str(self._resolve(properties.get(field, ""))) for field in ("RouteKey", "Target"))
            integration = integrations.get(target.removeprefix("integrations/"), {})
            # <function>.Arn, or <function>.Arn:<alias>: on this machine every alias is the current code.
            function = str(self._resolve(integration.get("IntegrationUri", ""))).partition(".")[0]
            if function in functions:
                method, _, path = key.partition(" ")
                routes.append(Route(method, path, function) if path else Route(ANY, DEFAULT, function))
            else:
                self.problems.append(
                    f"{name}.Target is {target!r}: it must be an integration whose IntegrationUri is a function's Arn"
                )
        return routes

    def _layers(self, name: str, references: list[object]) -> tuple[Path, ...]:
        known = self.of_type("AWS::Serverless::LayerVersion")
        folders = []
        for reference in references:
            layer = str(self._resolve(reference))
            if layer not in known:
                self.problems.append(f"{name}.Layers names {layer!r}: locally, it must be a layer of the same template")
                continue
            folder = self._folder / str(self._resolve(known[layer].get("ContentUri", "")))
            # Lambda imports from python/ of a layer's archive.
            folders.append(folder / "python" if (folder / "python").is_dir() else folder)
        return tuple(folders)

    def _number(self, name: str, property_name: str, value: object, largest: int) -> int:
        number = self._resolve(value)
        if isinstance(number, bool) or not str(number).isdecimal() or not 1 <= int(str(number)) <= largest:
            self.problems.append(f"{name}.{property_name} is {number!r}: it must be a whole number from 1 to {largest}")
            return 1
        return int(str(number))

    def _resolve(self, value: object) -> object:
        try:
            return self._resolver.resolve(value)
        except SettingsError as error:
            self.problems.append(str(error))
            return ""


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def find_template(folder: Path) -> Path:
    """The template of ``folder``, or of the checkout that this program runs from; raises SettingsError."""
    for candidate in (folder / "template.yaml", Path(__file__).resolve().parents[3] / "template.yaml"):
        if candidate.is_file():
            return candidate
    raise SettingsError(
        "The working folder has no template.yaml: run `larder up` in a checkout, or name a template with --template.",
        [],
    )
