"""Properties of single kinds of stores: URLs, failures, and concurrent processes."""

import re
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from larder.errors import InvalidRequest, MissingObject, StoreError
from larder.store import open_store

COUNT = """
import sys
from larder.errors import Conflict
from larder.store import open_store
store, done = open_store(sys.argv[1]), 0
while done < 25:
    blob = store.get("models/m/live.json")
    try:
        store.put("models/m/live.json", b"%03d" % (int(blob.data) + 1), etag=blob.etag)
        done += 1
    except Conflict:
        pass
"""
CREATE = """
import sys
from larder.errors import Conflict
from larder.store import open_store
sys.stdin.readline()
try:
    open_store(sys.argv[1]).put("race", sys.argv[2].encode(), create=True)
except Conflict:
    sys.exit(3)
"""


def in_processes(count: int, script: str, url: str) -> list[int]:
    processes = [
        subprocess.Popen([sys.executable, "-c", script, url, str(number)], stdin=subprocess.PIPE)  # noqa: S603  # our script
        for number in range(count)
    ]
    for process in processes:
        process.communicate(b"go\n", timeout=120)
    return [process.returncode for process in processes]


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_counter_that_several_processes_increment_is_exact(kind: str, tmp_path: Path, s3_url: str) -> None:
    url = s3_url if kind == "s3" else f"file://{tmp_path}"
    open_store(url).put("models/m/live.json", b"000")
    assert in_processes(4, COUNT, url) == [0] * 4
    assert open_store(url).get("models/m/live.json").data == b"100"


def test_what_a_private_folder_writes_only_its_owner_may_read(tmp_path: Path) -> None:
    open_store(tmp_path.as_uri()).put("open/a", b"")
    for _ in range(2):  # created, then replaced
        open_store(tmp_path.as_uri(), private=True).put("private/a", b"")
    assert stat.S_IMODE((tmp_path / "private" / "a").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "open" / "a").stat().st_mode) & 0o044


def test_one_of_several_processes_creates_an_object(tmp_path: Path) -> None:
    codes = in_processes(5, CREATE, f"file://{tmp_path}")
    assert sorted(codes) == [0, 3, 3, 3, 3]
    assert open_store(f"file://{tmp_path}").get("race").data == str(codes.index(0)).encode()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bucket",
        "file://relative",
        "file:/x",
        "s3://",
        "s3://UPPER",
        "s3://a",
        "https://host/x",
        "gs://bucket/x",
        "/absolute/folder",
    ],
)
def test_an_invalid_url_is_refused_with_the_valid_forms(url: str) -> None:
    with pytest.raises(StoreError, match=re.escape("use s3://bucket, s3://bucket/prefix, file:///folder or memory://")):
        open_store(url)


def test_a_prefix_must_not_contain_dot_dot() -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store("s3://bucket/../other")


def test_memory_is_empty_unless_it_has_a_name() -> None:
    open_store("memory://").put("k", b"1")
    assert list(open_store("memory://").list()) == []
    open_store("memory://shop").put("k", b"1")
    assert open_store("memory://shop").get("k").data == b"1"
    assert list(open_store("memory://other").list()) == []


def test_a_folder_is_created_and_may_have_any_name(tmp_path: Path) -> None:
    store = open_store((tmp_path / "my models é").as_uri())
    store.put("models/m/live.json", b"1")
    assert (tmp_path / "my models é" / "models" / "m" / "live.json").read_bytes() == b"1"
    assert store.local_path("models/m/live.json") == tmp_path / "my models é" / "models" / "m" / "live.json"
    assert open_store(store.url).get("models/m/live.json").data == b"1"


def test_a_folder_that_is_a_file_is_refused_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be opened as a folder") as caught:
        open_store(f"file://{tmp_path}/taken")
    assert str(tmp_path) not in str(caught.value)


def test_the_lock_of_a_folder_is_not_an_object(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    store.put("k", b"1")
    assert [entry.key for entry in store.list()] == ["k"]
    for call in (store.get, store.delete, store.local_path):
        with pytest.raises(InvalidRequest, match="reserved for the store"):
            call(".larder.lock")
    with pytest.raises(InvalidRequest, match="reserved for the store"):
        store.put(".larder.lock", b"1")


def test_only_s3_presigns(s3_url: str, tmp_path: Path) -> None:
    store = open_store(f"{s3_url}/team")
    store.put("models/m/report.html", b"<p>report</p>")
    url = store.presign("models/m/report.html", 60)
    assert url is not None
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310  # our own server
        assert response.read() == b"<p>report</p>"
    assert open_store("memory://").presign("k", 60) is None
    assert open_store(f"file://{tmp_path}").presign("k", 60) is None


def test_a_prefix_hides_the_rest_of_the_bucket(s3_url: str) -> None:
    open_store(s3_url).put("secret", b"1")
    open_store(f"{s3_url}/team").put("k", b"1")
    assert [entry.key for entry in open_store(f"{s3_url}/team").list()] == ["k"]
    assert sorted(entry.key for entry in open_store(s3_url).list()) == ["secret", "team/k"]


def test_s3_403_says_that_it_may_be_missing_or_forbidden(s3_url: str, s3_endpoint: str) -> None:
    store = open_store(s3_url)

    def enforce(after: str) -> None:  # moto checks IAM from the n-th request on
        headers = {"content-type": "text/plain"}
        request = urllib.request.Request(f"{s3_endpoint}/moto-api/reset-auth", after.encode(), headers)  # noqa: S310  # our own server
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310  # our own server

    enforce("0")
    try:
        with pytest.raises(MissingObject, match=r"models/m/live\.json is missing, or this role may not read") as caught:
            store.get("models/m/live.json")
    finally:
        enforce("inf")
    assert s3_endpoint not in str(caught.value)


def test_an_unreachable_s3(monkeypatch: pytest.MonkeyPatch, s3_url: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StoreError, match=r"The store failed at k \(GenericError\): try again"):
        open_store(s3_url).get("k")


def test_without_credentials_the_error_says_where_to_set_them(monkeypatch: pytest.MonkeyPatch, s3_url: str) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(StoreError, match=r"no credentials are set: set AWS_ACCESS_KEY_ID"):
        open_store(s3_url).get("k")


def test_a_missing_bucket_is_not_a_missing_object(s3_url: str) -> None:
    store = open_store(f"{s3_url}-not")
    for ask in (lambda: store.get("k"), lambda: store.put("k", b""), lambda: list(store.list())):
        with pytest.raises(StoreError, match="the bucket does not exist: check the store's URL") as caught:
            ask()
        assert not isinstance(caught.value, MissingObject)


def test_http_is_only_for_this_machine(monkeypatch: pytest.MonkeyPatch, s3_url: str) -> None:
    """GIVEN a remote endpoint without TLS WHEN the store is used THEN no request is sent."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost.example.invalid:9")
    with pytest.raises(StoreError) as caught:
        open_store(s3_url).get("k")
    assert "BadScheme" in repr(caught.value.__cause__)
    assert "https" in str(caught.value)


def test_importing_the_store_imports_neither_boto3_nor_numpy() -> None:
    script = "import sys, larder.store; print(sorted({'boto3', 'botocore', 'numpy', 'asyncio'} & set(sys.modules)))"
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, capture_output=True, check=True, timeout=60).stdout == b"[]\n"  # noqa: S603  # our script
