"""``larder up --built``: the built functions over HTTP through Larder's gateway, with binary images."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from tests.larder_local.conftest import Up, children, larder
from tests.paths import ROOT

pytestmark = pytest.mark.e2e


def image(store: Path, kind: str) -> bytes:
    """A handwritten 1 of the training images, as a file of that kind."""
    file = io.BytesIO()
    Image.open(store / "uploads/1.png").convert("RGB").save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_the_trimmed_layer_reads_all_supported_formats(up: Up, store: Path, kind: str) -> None:
    answer = up.ask("/v1/models/digits/classify", image(store, kind), {"content-type": f"image/{kind.lower()}"})
    assert answer.status == 200, answer.body
    assert json.loads(answer.body)["labels"][0]["name"] == "1"


def test_the_trimmed_layer_reads_heic_and_colour_profiles(up: Up) -> None:
    phone = (ROOT / "tests/larder/classifier/image_decoding/heic/display_p3.heic").read_bytes()
    answer = up.ask("/v1/models/digits/classify", phone, {"content-type": "image/heic"})
    assert answer.status == 200, answer.body


def test_an_unsupported_format_is_refused(up: Up, store: Path) -> None:
    answer = up.ask("/v1/models/digits/classify", image(store, "TIFF"), {"content-type": "image/tiff"})
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (415, "unsupported_media")


def test_the_other_functions_respond_too(up: Up) -> None:
    items = json.loads(up.ask("/v1/models/shop/recommend?user=ada&n=2").body)["items"]
    assert len(items) == 2
    assert [model["model"] for model in json.loads(up.ask("/v1/models").body)["models"]] == ["digits", "pets", "shop"]
    assert up.ask("/health").status == 200


def test_workers_run_on_python_3_13_with_only_the_bundle(up: Up, bundle: Path) -> None:
    for worker in children(up.process.pid):
        command = Path(f"/proc/{worker}/cmdline").read_bytes().decode().split("\0")
        assert command[0].endswith("python3.13")
        mapped = {line.split()[-1] for line in Path(f"/proc/{worker}/maps").read_text().splitlines() if "/" in line}
        native = [Path(path) for path in mapped if "site-packages" in path]
        assert native == []
        assert str(bundle) in Path(f"/proc/{worker}/environ").read_text()


def test_a_folder_without_a_bundle_is_an_error(tmp_path: Path) -> None:
    refused = larder("up", "--no-demo", "--built", str(tmp_path), folder=tmp_path)
    assert refused.returncode == 1
    assert "make build" in refused.stderr
    both = larder("up", "--built", str(tmp_path), "--template", "template.yaml", folder=tmp_path)
    assert both.returncode == 2
