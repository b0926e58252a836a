"""The contenders, each with the settings that its documentation or plain sense calls good for one core."""

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
from side_by_side.material import Material, photo_event, user_event
from side_by_side.processes import size

BUCKET: Final = "larder"
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(PEERS)}


@dataclass(frozen=True, slots=True)
class LineUp:
    """Makes contenders of the material. ``built`` is where ``sam build`` left its template; ``s3`` is the environment
    that leads a function to the object store.
    """

    material: Material
    built: Path
    folder: Path
    s3: Mapping[str, str]

    def larder(self, task: Task) -> Bundle:
        """Larder's function as ``sam build`` made it, with the template's environment."""
        name = {"classify": "ClassifyFunction", "recommend": "RecommendFunction"}[task]
        template: Template = load(self.built / "template.yaml")
        function, opt = template.functions[name], self.folder / "opt" / task
        shutil.rmtree(opt, ignore_errors=True)  # of another build
        merge_layers(function, opt)
        manifest = self.material.classifier if task == "classify" else self.material.recommender
        own = {"LARDER_STORE": f"s3://{BUCKET}", "LARDER_PRELOAD": manifest.model}
        given = {**function.environment, **own, **self.s3}
        events = self._photo_events() if task == "classify" else self._user_events()
        code, expected, unpacked = function.code, self._expected(task), size(function.code, opt)
        return Bundle("Larder", task, code, opt, function.memory, given, events, expected, unpacked)

    def floor(self, larder: Bundle) -> Bundle:
        """Decode, resize and ``session.run`` on Larder's own layer, the graph beside the code."""
        code = self.folder / "floor"
        code.mkdir(exist_ok=True)
        (code / "app.py").write_text((PEERS / "floor/app.py").read_text())
        (code / "model.onnx").write_bytes(self.material.int8.read_bytes())
        given = {"PHOTO_MODEL": "/var/task/model.onnx"}
        return replace(larder, name="the floor", code=code, environment=given, expected=b"", size=0, tells=True)

    def empty(self, larder: Bundle) -> Bundle:
        """What any function costs under AWS's runtime client."""
        empty = PEERS / "empty"
        return replace(larder, name="empty handler", code=empty, opt=None, environment={}, expected=b"", size=0)

    def naive_photos(self, larder: Bundle, *, byte_code: bool) -> Bundle:
        """The tutorials' handler, asked as Larder's is; with byte code only its cold start."""
        name = "naive handler, byte code added" if byte_code else "naive handler"
        given = {
            "BUCKET": BUCKET,
            "MODEL_KEY": "naive/model.onnx",
            "PHOTO_LABELS": ",".join(self.material.labels),
            "PHOTO_SCALE": json.dumps(self.material.scale),
            "PHOTO_OFFSET": json.dumps(self.material.offset),
            **self.s3,
        }
        code = bundle("naive", "naive_photos", self.folder, byte_code=byte_code)
        return replace(larder, name=name, code=code, opt=None, environment=given, size=size(code), warm=not byte_code)

    def naive_lists(self, larder: Bundle) -> Bundle:
        """The same for lists."""
        code, given = PEERS / "naive_lists", {"BUCKET": BUCKET, "LISTS_KEY": "naive/lists.json", **self.s3}
        return replace(larder, name="naive handler", code=code, opt=None, environment=given, size=size(code))

    def fastapi(self, graph: Path, name: str) -> Service:
        """FastAPI on uvicorn with uvloop and httptools."""
        place, port = environment("fastapi", self.folder), free_port()
        command = _uvicorn(place, "fastapi_photos:app", port)
        return self._photos(name, place, port, command, graph, "/classify")

    def bentoml(self, graph: Path) -> Service:
        """BentoML, access log, metrics and usage reports off."""
        place, port = environment("bentoml", self.folder), free_port()
        options = ("--host", "127.0.0.1", "--port", str(port), "--working-dir", PEERS)
        command = (place / "bin/bentoml", "serve", "bento_photos:Photos", *options)
        service = self._photos("BentoML, int8", place, port, command, graph, "/classify")
        own = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(self.folder / "bentoml-home")}
        return replace(service, environment={**service.environment, **own})

    def mlserver(self, graph: Path) -> Service:
        """MLServer, inference in the server's own process, metrics and debugging off."""
        place, port = environment("mlserver", self.folder), free_port()
        folder = self.folder / "mlserver-models"
        folder.mkdir(exist_ok=True)
        settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        settings |= {"parallel_workers": 0, "debug": False, "metrics_endpoint": None}
        (folder / "settings.json").write_text(json.dumps(settings))
        model = {"name": "photos", "implementation": "mlserver_photos.Photos"}
        (folder / "model-settings.json").write_text(json.dumps(model))
        command = (place / "bin/mlserver", "start", folder)
        service = self._photos("MLServer, int8", place, port, command, graph, "/v2/models/photos/infer")
        requests = [
            Request("POST", request.path, "application/json", _v2(request.body)) for request in service.requests
        ]
        return replace(service, requests=requests)

    def redis(self) -> tuple[Service, Service]:
        """FastAPI in front of Redis, which keeps nothing on disk: answers ready to be sent, and sorted sets."""
        place, port, store = environment("lists", self.folder), free_port(), free_port()
        server = ("redis-server", "--port", str(store), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        cli = f"redis-cli -p {store}"
        fill = (
            "sh",
            "-c",
            f"until {cli} ping; do sleep 0.05; done; {cli} --pipe < '{self.material.folder}/lists.resp'",
        )
        service = self._lists("FastAPI + Redis", place, port, "lists_redis:app", {"REDIS_PORT": str(store)})
        service = replace(service, beside=(server,), fill=fill)
        sets = [Request("GET", f"/best?user={user}") for user in self.material.asking]
        return service, replace(service, name="FastAPI + Redis, sorted sets", requests=sets)

    def sqlite(self) -> Service:
        """FastAPI in front of SQLite."""
        place, port = environment("lists", self.folder), free_port()
        lists = {"LISTS": str((self.material.folder / "lists.sqlite").resolve())}
        return self._lists("FastAPI + SQLite", place, port, "lists_sqlite:app", lists)

    def implicit(self) -> Service:
        """FastAPI in front of implicit's factors, fitted to the same interactions."""
        place, port, folder = environment("implicit", self.folder), free_port(), self.folder / "implicit-model"
        if not folder.is_dir():
            folder.mkdir()
            fit = [place / "bin/python", PEERS / "implicit_lists.py", self.material.interactions, folder]
            subprocess.run(list(map(str, fit)), check=True, env=ONE_THREAD)  # noqa: S603  our own command
        service = self._lists("FastAPI + implicit", place, port, "implicit_lists:app", {"IMPLICIT": str(folder)})
        return replace(service, expected=b'"score"')  # another model: other lists

    def gateway(self) -> tuple[Service, Service]:
        """Larder's local gateway and its worker, both on the core: HTTP from end to end."""
        port = free_port()
        command = (
            sys.executable,
            Path(__file__).with_name("local_gateway.py"),
            self.built,
            self.folder / "gateway",
            str(port),
        )
        given = {"LARDER_STORE": (self.material.folder / "store").resolve().as_uri()}
        path = f"/v1/models/{self.material.classifier.model}/classify"
        photos = [Request("POST", path, "image/jpeg", photo) for photo in self.material.photos]
        path = f"/v1/models/{self.material.recommender.model}/recommend"
        users = [Request("GET", f"{path}?user={user}") for user in self.material.asking]
        name = "Larder, local gateway"
        return (
            Service(name, "classify", port, command, given, photos, self._expected("classify"), 0),
            Service(name, "recommend", port, command, given, users, self._expected("recommend"), 0),
        )

    def _photos(
        self, name: str, place: Path, port: int, command: tuple[str | Path, ...], graph: Path, path: str
    ) -> Service:
        labels = str((self.material.folder / "labels.txt").resolve())
        given = {**ONE_THREAD, "PHOTO_MODEL": str(graph.resolve()), "PHOTO_LABELS": labels}
        requests = [Request("POST", path, "image/jpeg", photo) for photo in self.material.photos]
        return Service(
            name, "classify", port, command, given, requests, self._expected("classify"), size(packages(place))
        )

    def _lists(self, name: str, place: Path, port: int, app: str, given: Mapping[str, str]) -> Service:
        requests = [Request("GET", f"/recommend?user={user}") for user in self.material.asking]
        command, environment = _uvicorn(place, app, port), {**ONE_THREAD, **given}
        expected, unpacked = self._expected("recommend"), size(packages(place))
        return Service(name, "recommend", port, command, environment, requests, expected, unpacked)

    def _expected(self, task: Task) -> bytes:
        """What is in the answer to the first photo or user: its best label, his best item."""
        best = self.material.best if task == "classify" else self.material.best_item
        return best.encode()

    def _photo_events(self) -> list[bytes]:
        return [photo_event(self.material.classifier.model, photo) for photo in self.material.photos]

    def _user_events(self) -> list[bytes]:
        return [user_event(self.material.recommender.model, user) for user in self.material.asking]


def _uvicorn(place: Path, app: str, port: int) -> tuple[str | Path, ...]:
    quick = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    return (place / "bin/uvicorn", app, "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *quick)


def _v2(photo: bytes) -> bytes:
    """A photo in the Open Inference Protocol's JSON."""
    data = base64.b64encode(photo).decode()
    return json.dumps({"inputs": [{"name": "photo", "shape": [1], "datatype": "BYTES", "data": [data]}]}).encode()
