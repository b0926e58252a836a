"""The contenders, each with settings that its documentation or common sense recommends for one core."""

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from larder_local.gateway.template import Template, load
from larder_local.lambda_container import merge_layers
from side_by_side.containers import free_port
from side_by_side.contenders import Bundle, Request, Service, Task
from side_by_side.environments import PEERS, bundle, environment, packages
from side_by_side.material import Material, image_event, user_event
from side_by_side.processes import size

BUCKET: Final = "larder"
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(PEERS)}


@dataclass(frozen=True, slots=True)
class LineUp:
    """Creates the contenders.

    Attributes:
        material: The models, images and lists.
        built: The folder of the template of ``sam build``.
        folder: The folder for environments and files.
        s3: The environment for clients of the object store.
    """

    material: Material
    built: Path
    folder: Path
    s3: Mapping[str, str]

    def larder(self, task: Task) -> Bundle:
        """Larder's function as built by ``sam build``, with the template's environment."""
        name = {"classify": "ClassifyFunction", "recommend": "RecommendFunction"}[task]
        template: Template = load(self.built / "template.yaml")
        function, opt = template.functions[name], self.folder / "opt" / task
        shutil.rmtree(opt, ignore_errors=True)  # of an earlier build
        merge_layers(function, opt)
        manifest = self.material.classifier if task == "classify" else self.material.recommender
        own = {"LARDER_STORE": f"s3://{BUCKET}", "LARDER_PRELOAD": manifest.model, "LARDER_AUTHORIZATION": "NONE"}
        variables = {**function.environment, **own, **self.s3}
        events = self._image_events() if task == "classify" else self._user_events()
        code, expected, unpacked = function.code, self._expected(task), size(function.code, opt)
        return Bundle("Larder", task, code, opt, function.memory, variables, events, expected, unpacked)

    def floor(self, larder: Bundle) -> Bundle:
        """Decode, resize and ``session.run`` on Larder's layer, with the graph next to the code."""
        code = self.folder / "floor"
        code.mkdir(exist_ok=True)
        (code / "app.py").write_text((PEERS / "floor/app.py").read_text())
        (code / "model.onnx").write_bytes(self.material.int8.read_bytes())
        variables = {"MODEL_PATH": "/var/task/model.onnx"}
        return replace(
            larder, name="the floor", code=code, environment=variables, expected=b"", size=0, returns_time=True
        )

    def empty(self, larder: Bundle) -> Bundle:
        """A function that does nothing, under AWS's runtime client."""
        empty = PEERS / "empty"
        return replace(larder, name="empty handler", code=empty, opt=None, environment={}, expected=b"", size=0)

    def naive_images(self, larder: Bundle, *, byte_code: bool) -> Bundle:
        """The handler of tutorials, with the same events as Larder; with byte code, only its cold start."""
        name = "naive handler, byte code added" if byte_code else "naive handler"
        variables = {
            "BUCKET": BUCKET,
            "MODEL_KEY": "naive/model.onnx",
            "IMAGE_LABELS": ",".join(self.material.labels),
            "IMAGE_SCALE": json.dumps(self.material.scale),
            "IMAGE_OFFSET": json.dumps(self.material.offset),
            **self.s3,
        }
        code = bundle("naive", "naive_images", self.folder, byte_code=byte_code)
        return replace(
            larder, name=name, code=code, opt=None, environment=variables, size=size(code), warm=not byte_code
        )

    def naive_lists(self, larder: Bundle) -> Bundle:
        """The same for lists."""
        code, variables = PEERS / "naive_lists", {"BUCKET": BUCKET, "LISTS_KEY": "naive/lists.json", **self.s3}
        return replace(larder, name="naive handler", code=code, opt=None, environment=variables, size=size(code))

    def fastapi(self, graph: Path, name: str) -> Service:
        """FastAPI on uvicorn with uvloop and httptools."""
        venv, port = environment("fastapi", self.folder), free_port()
        command = _uvicorn(venv, "fastapi_images:app", port)
        return self._images(name, venv, port, command, graph, "/classify")

    def bentoml(self, graph: Path) -> Service:
        """BentoML, access log, metrics and usage reports off."""
        venv, port = environment("bentoml", self.folder), free_port()
        options = ("--host", "127.0.0.1", "--port", str(port), "--working-dir", PEERS)
        command = (venv / "bin/bentoml", "serve", "bento_images:ImageClassifier", *options)
        service = self._images("BentoML, int8", venv, port, command, graph, "/classify")
        own = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(self.folder / "bentoml-home")}
        return replace(service, environment={**service.environment, **own})

    def mlserver(self, graph: Path) -> Service:
        """MLServer, with inference in the server process, metrics and debugging off."""
        venv, port = environment("mlserver", self.folder), free_port()
        folder = self.folder / "mlserver-models"
        folder.mkdir(exist_ok=True)
        settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        settings |= {"parallel_workers": 0, "debug": False, "metrics_endpoint": None}
        (folder / "settings.json").write_text(json.dumps(settings))
        model = {"name": "images", "implementation": "mlserver_images.ImageClassifier"}
        (folder / "model-settings.json").write_text(json.dumps(model))
        command = (venv / "bin/mlserver", "start", folder)
        service = self._images("MLServer, int8", venv, port, command, graph, "/v2/models/images/infer")
        requests = [
            Request("POST", request.path, "application/json", _v2(request.body)) for request in service.requests
        ]
        return replace(service, requests=requests)

    def redis(self) -> tuple[Service, Service]:
        """FastAPI with Redis without persistence: stored responses, and sorted sets."""
        venv, port, store = environment("lists", self.folder), free_port(), free_port()
        server = ("redis-server", "--port", str(store), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        cli = f"redis-cli -p {store}"
        fill = (
            "sh",
            "-c",
            f"until {cli} ping; do sleep 0.05; done; {cli} --pipe < '{self.material.folder}/lists.resp'",
        )
        service = self._lists("FastAPI + Redis", venv, port, "lists_redis:app", {"REDIS_PORT": str(store)})
        service = replace(service, companions=(server,), fill=fill)
        sets = [Request("GET", f"/best?user={user}") for user in self.material.users]
        return service, replace(service, name="FastAPI + Redis, sorted sets", requests=sets)

    def sqlite(self) -> Service:
        """FastAPI with SQLite."""
        venv, port = environment("lists", self.folder), free_port()
        lists = {"LISTS": str((self.material.folder / "lists.sqlite").resolve())}
        return self._lists("FastAPI + SQLite", venv, port, "lists_sqlite:app", lists)

    def implicit(self) -> Service:
        """FastAPI with implicit's factors, fitted to the same interactions."""
        venv, port, folder = environment("implicit", self.folder), free_port(), self.folder / "implicit-model"
        if not folder.is_dir():
            folder.mkdir()
            fit = [venv / "bin/python", PEERS / "implicit_lists.py", self.material.interactions, folder]
            subprocess.run(list(map(str, fit)), check=True, env=ONE_THREAD)  # noqa: S603  our own command
        service = self._lists("FastAPI + implicit", venv, port, "implicit_lists:app", {"IMPLICIT": str(folder)})
        return replace(service, expected=b'"score"')  # another model has other lists

    def gateway(self) -> tuple[Service, Service]:
        """Larder's local gateway and its worker, both on the core, with HTTP from end to end."""
        port = free_port()
        command = (
            sys.executable,
            Path(__file__).with_name("local_gateway.py"),
            self.built,
            self.folder / "gateway",
            str(port),
        )
        variables = {"LARDER_STORE": (self.material.folder / "store").resolve().as_uri()}
        path = f"/v1/models/{self.material.classifier.model}/classify"
        images = [Request("POST", path, "image/jpeg", image) for image in self.material.images]
        path = f"/v1/models/{self.material.recommender.model}/recommend"
        users = [Request("GET", f"{path}?user={user}") for user in self.material.users]
        name = "Larder, local gateway"
        return (
            Service(name, "classify", port, command, variables, images, self._expected("classify"), 0),
            Service(name, "recommend", port, command, variables, users, self._expected("recommend"), 0),
        )

    def _images(
        self, name: str, venv: Path, port: int, command: tuple[str | Path, ...], graph: Path, path: str
    ) -> Service:
        labels = str((self.material.folder / "labels.txt").resolve())
        variables = {**ONE_THREAD, "MODEL_PATH": str(graph.resolve()), "LABELS_PATH": labels}
        requests = [Request("POST", path, "image/jpeg", image) for image in self.material.images]
        return Service(
            name, "classify", port, command, variables, requests, self._expected("classify"), size(packages(venv))
        )

    def _lists(self, name: str, venv: Path, port: int, app: str, variables: Mapping[str, str]) -> Service:
        requests = [Request("GET", f"/recommend?user={user}") for user in self.material.users]
        command, environment = _uvicorn(venv, app, port), {**ONE_THREAD, **variables}
        expected, unpacked = self._expected("recommend"), size(packages(venv))
        return Service(name, "recommend", port, command, environment, requests, expected, unpacked)

    def _expected(self, task: Task) -> bytes:
        """A part of the first response: the best label of the image, or the best item of the user."""
        best = self.material.best if task == "classify" else self.material.best_item
        return best.encode()

    def _image_events(self) -> list[bytes]:
        return [image_event(self.material.classifier.model, image) for image in self.material.images]

    def _user_events(self) -> list[bytes]:
        return [user_event(self.material.recommender.model, user) for user in self.material.users]


def _uvicorn(venv: Path, app: str, port: int) -> tuple[str | Path, ...]:
    options = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    return (venv / "bin/uvicorn", app, "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *options)


def _v2(image: bytes) -> bytes:
    """An image in the JSON of the Open Inference Protocol."""
    data = base64.b64encode(image).decode()
    return json.dumps({"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [data]}]}).encode()
