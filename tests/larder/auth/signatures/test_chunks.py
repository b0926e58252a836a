"""Bodies in chunks: the example of AWS's documentation, botocore's streams, and what is damaged."""

import hmac
from hashlib import sha256
from io import BytesIO

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from tests.larder.auth.requests import KEY_ID, SECRET, ToyRequest, as_sent

from larder.auth.signatures import sigv4
from larder.auth.signatures.chunks import CONTENT, SIGNED, UNSIGNED, read_chunks
from larder.errors import InvalidRequest
from larder.web.request import Request

# "Signature calculations for the authorization header: transferring payload in multiple chunks" in Amazon S3's API
# reference: an object of 65 KiB, in chunks of 64 KiB and 1 KiB.
EXAMPLE_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
EXAMPLE_SIGNATURES = (
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)
EXAMPLE = ToyRequest(
    "PUT",
    "/examplebucket/chunkObject.txt",
    "",
    {
        "host": "s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
        "x-amz-decoded-content-length;x-amz-storage-class,"
        "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        "x-amz-content-sha256": SIGNED[0],
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        "content-length": "66824",
    },
    b"".join(
        b"%x;chunk-signature=%s\r\n%s\r\n" % (size, signature.encode(), b"a" * size)
        for size, signature in zip((65536, 1024, 0), EXAMPLE_SIGNATURES, strict=True)
    ),
)


def verifies(request: ToyRequest, secret: str = EXAMPLE_SECRET) -> bool:
    return sigv4.verifies(sigv4.read_header(request), request, secret)


def test_the_example_of_the_documentation_verifies() -> None:
    assert len(EXAMPLE.content) == 66824
    assert verifies(EXAMPLE)
    assert read_chunks(EXAMPLE.headers, EXAMPLE.content).content == b"a" * 66560


def accepted(request: ToyRequest) -> bool:
    try:
        return verifies(request)
    except InvalidRequest:
        return False


@pytest.mark.parametrize("at", [1, 30, 100, 65700, 66700, 66745])
def test_a_changed_byte_of_any_chunk_does_not_verify(at: int) -> None:
    content = EXAMPLE.content[:at] + bytes([EXAMPLE.content[at] ^ 1]) + EXAMPLE.content[at + 1 :]
    assert not accepted(EXAMPLE.having(content=content))


def test_chunks_that_are_left_out_or_swapped_do_not_verify() -> None:
    first, second, last = EXAMPLE.content[:65626], EXAMPLE.content[65626:66738], EXAMPLE.content[66738:]
    for content in (first + last, second + first + last, first + second, b""):
        assert not accepted(EXAMPLE.having(content=content))


class Streaming(S3SigV4Auth):
    def payload(self, request: AWSRequest) -> str:
        del request
        return SIGNED[1]


def trailed(content: bytes, *, secret: str = SECRET) -> ToyRequest:
    """A request with signed chunks and a signed trailer, computed step by step as the documentation says."""
    headers = {"x-amz-content-sha256": SIGNED[1], "x-amz-trailer": "x-amz-checksum-crc32"}
    aws = AWSRequest("POST", "https://h/", headers, b"")
    Streaming(Credentials(KEY_ID, secret), "s3", "us-east-1").add_auth(aws)
    request = as_sent(aws)
    signature = sigv4.read_header(request)
    scope, previous = "/".join((*signature.scope, "aws4_request")), signature.value
    key = f"AWS4{secret}".encode()
    for part in (*signature.scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")

    def sign(kind: str, *hashes: str) -> str:
        text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", signature.time, scope, previous, *hashes))
        return hmac.digest(key, text.encode(), "sha256").hex()

    body = b""
    for data in (content, b""):
        previous = sign("PAYLOAD", sha256(b"").hexdigest(), sha256(data).hexdigest())
        body += b"%x;chunk-signature=%s\r\n" % (len(data), previous.encode()) + (data + b"\r\n" if data else b"")
    checksum = Crc32Checksum()
    checksum.update(content)
    line = b"x-amz-checksum-crc32:" + checksum.b64digest().encode()
    previous = sign("TRAILER", sha256(line + b"\n").hexdigest())
    return request.having(content=body + line + b"\r\nx-amz-trailer-signature:" + previous.encode() + b"\r\n\r\n")


def test_trailing_headers_are_verified() -> None:
    request = trailed(b"some text")
    assert verifies(request, SECRET)
    assert read_chunks(request.headers, request.content).content == b"some text"
    assert not verifies(
        request.having(content=request.content.replace(b"trailer-signature:", b"trailer-signature:0")), SECRET
    )
    assert not verifies(
        request.having(content=request.content.partition(b"x-amz-checksum")[0] + b"x-amz-other:1\r\n"), SECRET
    )


def test_an_unsigned_stream_of_botocore_is_put_together() -> None:
    wrapped = AwsChunkedWrapper(BytesIO(b"x" * 3000), Crc32Checksum, "x-amz-checksum-crc32", chunk_size=1024)
    body = read_chunks({CONTENT: UNSIGNED, "x-amz-decoded-content-length": "3000"}, wrapped.read())
    assert body.content == b"x" * 3000
    assert body.trailer.startswith(b"x-amz-checksum-crc32:")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"5\r\nhello",
        b"5\r\nhello\r\n",
        b"6\r\nhello\r\n0\r\n\r\n",
        b"4\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"5_0\r\nhello\r\n0\r\n\r\n",
        b"fffffffff\r\nhello\r\n0\r\n\r\n",
        b"5;other=1\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
        b"4\r\nhell\r\n0\r\n\r\n",  # not the stated length
    ],
)
def test_a_damaged_stream_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="aws-chunked"):
        read_chunks({CONTENT: UNSIGNED, "x-amz-decoded-content-length": "5"}, body)


def test_a_handler_gets_the_content_and_not_the_chunks() -> None:
    context = {"http": {"method": "POST", "path": "/"}}
    event = {"requestContext": context, "body": "2\r\n{}\r\n0\r\n\r\n", "headers": {CONTENT: UNSIGNED}}
    assert Request.of(event).json() == {}
    assert Request.of({**event, "headers": {}}).body() == b"2\r\n{}\r\n0\r\n\r\n"
