"""Connections: kept open, reopened, shared by threads, silent, through a proxy, and with TLS."""

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509  # a dependency of moto
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.larder_client.conftest import Reply, Scripted

from larder_client import ConnectionFailed, TimedOut, TooLarge

OK = Reply(document={"models": []})


def connections(scripted: Scripted) -> int:
    return len({arrival.connection for arrival in scripted.arrivals})


def test_a_connection_is_kept_open(scripted: Scripted) -> None:
    scripted.replies = [OK]
    with scripted.client() as client:
        for _ in range(3):
            client.models()
    assert connections(scripted) == 1


def test_a_closed_client_opens_a_new_connection(scripted: Scripted) -> None:
    scripted.replies = [OK]
    client = scripted.client()
    for _ in range(2):
        client.models()
        client.close()
    assert connections(scripted) == 2


def test_a_connection_closed_by_the_server_does_not_count_as_an_attempt(scripted: Scripted) -> None:
    # GIVEN a connection that the server closes at the next request, as after a long idle time
    scripted.replies = [OK, Reply(hang_up=True), OK]
    with scripted.client(retries=0) as client:
        client.models()
        # WHEN the next request uses it THEN a new connection answers
        client.models()
    assert connections(scripted) == 2


def test_an_answer_may_close_the_connection(scripted: Scripted) -> None:
    scripted.replies = [Reply(document={"models": []}, headers={"connection": "close"})]
    with scripted.client(retries=0) as client:
        client.models()
        client.models()
    assert connections(scripted) == 2


def test_threads_share_a_client(scripted: Scripted) -> None:
    scripted.replies = [OK]
    with scripted.client() as client, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: client.models(), range(100))) == [()] * 100
    assert len(scripted.arrivals) == 100


def test_a_silent_server_is_a_time_out(scripted: Scripted) -> None:
    over = threading.Event()
    scripted.replies = [Reply(wait=over)]
    try:
        with scripted.client(timeout=0.05, retries=0) as client, pytest.raises(TimedOut) as raised:
            client.models()
    finally:
        over.set()
    assert str(raised.value) == (
        f"No answer from {scripted.url}/v1/models (nothing for 0.05 s): try again, or pass a longer timeout to Client."
    )


def test_a_time_out_is_repeated(scripted: Scripted) -> None:
    over = threading.Event()
    scripted.replies = [Reply(wait=over), OK]
    try:
        with scripted.client(timeout=0.5) as client:
            assert client.models() == ()
    finally:
        over.set()


def test_an_incomplete_answer_is_a_failed_connection(scripted: Scripted) -> None:
    scripted.replies = [Reply(document={"models": []}, length=999)]
    with scripted.client(retries=0) as client, pytest.raises(ConnectionFailed, match="IncompleteRead"):
        client.models()


def test_a_server_that_does_not_speak_http_is_a_failed_connection(scripted: Scripted) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 mail.example ESMTP\r\n")
                connection.recv(65536)  # an unread request would reset the connection

        thread = threading.Thread(target=greet)
        thread.start()
        scripted.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with scripted.client(retries=0) as client, pytest.raises(ConnectionFailed, match="ESMTP"):
            client.models()
        thread.join()


def test_a_refusal_is_read_even_if_the_server_did_not_read_the_body(scripted: Scripted) -> None:
    scripted.replies = [Reply(413, {"message": "Content Too Large"}, read_body=False)]
    with scripted.client(retries=0) as client, pytest.raises(TooLarge, match="call classify_object"):
        client.classify("digits", b"x" * 30_000_000)


def test_plain_http_uses_the_proxy_of_the_environment(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", scripted.url.replace("http://", "http://me:pass%20word@"))
    monkeypatch.setenv("no_proxy", "")
    scripted.replies = [OK]
    scripted.url = "http://larder.invalid/stage"
    with scripted.client() as client:
        assert client.models() == ()
    (arrival,) = scripted.arrivals
    assert arrival.target == "http://larder.invalid/stage/v1/models"
    assert arrival.headers["host"] == "larder.invalid"
    assert arrival.headers["proxy-authorization"] == "Basic bWU6cGFzcyB3b3Jk"


def test_https_uses_a_tunnel_through_the_proxy(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", scripted.url.removeprefix("http://"))
    monkeypatch.setenv("no_proxy", "")
    scripted.replies = [Reply(407)]
    scripted.url = "https://larder.invalid"
    with scripted.client(retries=0) as client, pytest.raises(ConnectionFailed, match="Tunnel connection failed: 407"):
        client.models()
    arrivals = [(arrival.method, arrival.target) for arrival in scripted.arrivals]
    assert arrivals == [("CONNECT", "larder.invalid:443")]


def test_a_host_in_no_proxy_is_called_directly(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    scripted.replies = [OK]
    with scripted.client(retries=0) as client:
        assert client.models() == ()


def self_signed(file: Path) -> Path:
    """A certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(pem) + private)
    return file


def test_an_untrusted_certificate_is_refused_without_a_repetition(scripted: Scripted, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "certificate.pem"))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake_hands() -> None:
            connection, _ = listener.accept()
            with connection, pytest.raises(ssl.SSLError):
                context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=shake_hands)
        thread.start()
        scripted.url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with scripted.client(timeout=10) as client, pytest.raises(ConnectionFailed, match="certificate") as raised:
            client.models()
        thread.join()
    assert raised.value.retryable is False
