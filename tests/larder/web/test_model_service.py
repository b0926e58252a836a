"""Which model answers a request that names none, or names it in another service's way."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from larder.auth import Caller, Scope
from larder.errors import Forbidden, InvalidRequest
from larder.registry.aliases import set_alias
from larder.release.keys import file_key, pointer_key
from larder.release.manifest import Manifest, dump
from larder.release.pointer import Pointer, dump_pointer
from larder.web.http_event import HttpEvent
from larder.web.model_service import ModelService
from larder.web.request import Request


class Toy:
    """A loaded release."""

    nbytes = 1

    def close(self) -> None:
        """Do nothing."""


def only(*models: str, default_model: str | None = None) -> Caller:
    """A caller who may use some models."""
    return Caller("LK", tuple(Scope("classify", model) for model in models), default_model)


def request(caller: Caller | None = None) -> Request:
    event = {"requestContext": {"http": {"method": "POST", "path": "/"}}}
    return Request(HttpEvent.read(event), {}, action="classify", caller=caller)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelService[Toy]:
    settings = {"CACHE_DIR": str(tmp_path / "cache"), "CACHE_BYTES": "1000000", "REFRESH_SECONDS": "0"}
    settings |= {"MAX_PIXELS": "1000000", "STORE": (tmp_path / "store").as_uri(), "AUTHORIZATION": "NONE"}
    for name, value in settings.items():
        monkeypatch.setenv(f"LARDER_{name}", value)
    monkeypatch.delenv("LARDER_DEFAULT_CLASSIFIER", raising=False)
    return ModelService("classifier", lambda _files, _settings: Toy())


@pytest.fixture
def publish(service: ModelService[Toy]) -> Callable[[str, Manifest], None]:
    def write(model: str, manifest: Manifest) -> None:
        manifest = replace(manifest, model=model)
        service.store.put(file_key(model, manifest.release, "manifest.json"), dump(manifest))
        service.store.put(pointer_key(model), dump_pointer(Pointer(manifest.release)))

    return write


def test_the_only_classifier_answers_a_request_that_names_no_model(
    service: ModelService[Toy],
    publish: Callable[[str, Manifest], None],
    classifier_manifest: Manifest,
    recommender_manifest: Manifest,
) -> None:
    publish("shop", recommender_manifest)
    publish("pets", classifier_manifest)
    assert service.default_model(request()) == "pets"


def test_of_several_classifiers_the_only_one_that_the_key_may_use_answers(
    service: ModelService[Toy],
    publish: Callable[[str, Manifest], None],
    classifier_manifest: Manifest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish("pets", classifier_manifest)
    publish("birds", classifier_manifest)
    assert service.default_model(request(only("birds"))) == "birds"
    with pytest.raises(InvalidRequest, match=r"2 models could answer: set the key's default model"):
        service.default_model(request())
    with pytest.raises(InvalidRequest, match=r"0 models could answer"):
        service.default_model(request(only("fish")))
    with pytest.raises(Forbidden):
        service.default_model(request(only()))
    monkeypatch.setenv("LARDER_DEFAULT_CLASSIFIER", "pets")
    service.reset()
    assert service.default_model(request()) == "pets"
    assert service.default_model(request(only("birds", default_model="birds"))) == "birds"


def test_a_caller_learns_nothing_of_a_model_that_their_key_may_not_use(
    service: ModelService[Toy], publish: Callable[[str, Manifest], None], classifier_manifest: Manifest
) -> None:
    publish("pets", classifier_manifest)
    for model in ("pets", "none"):
        with pytest.raises(Forbidden):
            service.loaded(request(only("birds")), model)
    assert isinstance(service.loaded(request(only("pets")), "pets").value, Toy)


def test_an_alias_names_a_model(service: ModelService[Toy]) -> None:
    assert service.model_of("arn:aws:personalize:eu-west-1:1:campaign/shop", "shop") == "shop"
    set_alias(service.store, "cats", "pets")
    assert service.model_of("cats") == "pets"
