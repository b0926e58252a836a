"""Signatures of AWS: cases of this project, times, and what must be refused."""

from dataclasses import replace

import pytest
from tests.larder.auth.requests import NOW, SECRET, ToyRequest

from larder.auth.signatures import sigv4
from larder.auth.signatures.canonical import canonical_paths, canonical_queries, split_query
from larder.auth.signatures.times import basic_text, basic_time, extended_time, http_time
from larder.errors import Unauthorized

DATE = basic_text(NOW)
SCOPE = f"LKTEST00000000000001/{DATE[:8]}/eu-central-1/rekognition/aws4_request"


def header_request(*, names: str = "host;x-amz-date", value: str = "0" * 64, **headers: str) -> ToyRequest:
    authorization = f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders={names}, Signature={value}"
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    return ToyRequest(headers={"host": "h", "x-amz-date": DATE, "authorization": authorization, **sent})


def refusal(request: ToyRequest) -> Unauthorized:
    with pytest.raises(Unauthorized) as caught:
        sigv4.verifies(sigv4.read_header(request), request, SECRET)
    return caught.value


@pytest.mark.parametrize(
    ("path", "twice", "once"),
    [
        ("", "/", "/"),
        ("/", "/", "/"),
        ("/a/../b//./c/", "/b/c/", "/a/../b//./c/"),
        ("/endpoints/pets/invocations", "/endpoints/pets/invocations", "/endpoints/pets/invocations"),
        ("/a%20b", "/a%2520b", "/a%20b"),
        ("/ü", "/%C3%BC", "/%C3%BC"),
        ("/..", "/", "/.."),
    ],
)
def test_a_path_is_encoded_twice_except_for_s3(path: str, twice: str, once: str) -> None:
    assert twice in list(canonical_paths(path, twice=True))
    assert once in list(canonical_paths(path, twice=False))


def test_a_path_that_the_front_door_decoded_is_encoded_again() -> None:
    assert "/a%2520b" in list(canonical_paths("/a b", twice=True))
    assert "/a%20b" in list(canonical_paths("/a b", twice=False))


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        ("b=2&a=1", "a=1&b=2"),
        ("a=2&a=1&a", "a=&a=1&a=2"),
        ("a=b%2bc", "a=b%2Bc"),
        ("a=b+c", "a=b%20c"),
        ("a=b+c", "a=b+c"),  # as botocore leaves it in a URL
        ("a==b", "a=%3Db"),
        ("%61=%7E~", "a=~~"),
        ("a=ü&&", "a=%C3%BC"),
        ("a=%FF", "a=%FF"),
        ("", ""),
    ],
)
def test_a_query_string_is_sorted_and_encoded(sent: str, canonical: str) -> None:
    assert canonical in list(canonical_queries(split_query(sent)))


def test_a_plus_and_an_encoded_plus_are_different_signatures() -> None:
    plus, encoded = (set(canonical_queries(split_query(query))) for query in ("a=b+c", "a=b%2Bc"))
    assert not plus & encoded


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (header_request(names="x-amz-date"), "host"),
        (header_request(names="host"), "x-amz-date"),
        (header_request(names="Host;x-amz-date"), "lower-case"),
        (header_request(x_amz_target="RekognitionService.DetectLabels"), "x-amz-target"),
        (header_request(x_amzn_sagemaker_target_model="other"), "x-amzn-sagemaker-target-model"),
        (header_request(value="0" * 63), "64"),
        (header_request(value="G" * 64), "64"),
        (header_request(authorization="AWS4-ECDSA-P256-SHA256 Credential=a"), "AWS4-ECDSA-P256-SHA256"),
        (header_request(authorization="AWS4-HMAC-SHA256"), "Credential"),
        (
            header_request(authorization="AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0"),
            "Credential",
        ),
        (header_request(x_amz_date="2015-08-30T12:36:00Z"), "20150830T123600Z"),
        (header_request(x_amz_date="20151330T123600Z"), "20150830T123600Z"),
        (header_request(x_amz_date="20150830T123600Z"), "date"),
    ],
)
def test_a_signature_that_cannot_be_verified_is_refused_with_the_reason(request_: ToyRequest, word: str) -> None:
    error = refusal(request_)
    assert error.reason == "malformed"
    assert word in str(error)


def test_a_body_in_chunks_that_are_signed_in_another_way_is_refused_in_words() -> None:
    names = "host;x-amz-content-sha256;x-amz-date"
    error = refusal(header_request(names=names, x_amz_content_sha256="STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"))
    assert error.reason == "malformed"
    assert "one piece" in str(error)


def test_the_stated_hash_must_be_that_of_the_body() -> None:
    names = "host;x-amz-content-sha256;x-amz-date"
    error = refusal(header_request(names=names, x_amz_content_sha256="0" * 64))
    assert error.reason == "signature"


def test_headers_that_a_front_door_adds_need_no_signature() -> None:
    request = header_request(x_amz_cf_id="abc", x_amzn_trace_id="Root=1", x_amz_security_token="t", x_forwarded_for="1")
    assert not sigv4.verifies(sigv4.read_header(request), request, SECRET)  # read, and only the signature is wrong


@pytest.mark.parametrize("seconds", [-301, 301, -86400, 86400])
def test_a_clock_that_is_off_by_more_than_five_minutes_is_named(seconds: int) -> None:
    signature = sigv4.read_header(header_request())
    with pytest.raises(Unauthorized) as caught:
        sigv4.check_time(signature, NOW - seconds)
    assert caught.value.reason == "skewed"
    assert ("Signature expired" if seconds < 0 else "not yet current") in str(caught.value)
    assert "5 min" in str(caught.value)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_clock_that_is_off_by_five_minutes_is_not(seconds: int) -> None:
    sigv4.check_time(sigv4.read_header(header_request()), NOW - seconds)


def presigned(**changes: str) -> ToyRequest:
    parameters = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": SCOPE.replace("/", "%2F"),
        "X-Amz-Date": DATE,
        "X-Amz-Expires": "60",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": "0" * 64,
    }
    parameters.update({name.replace("_", "-"): value for name, value in changes.items()})
    return ToyRequest(
        raw_query="&".join(f"{name}={value}" for name, value in parameters.items()), headers={"host": "h"}
    )


def test_a_presigned_url_expires() -> None:
    signature = sigv4.read_query(presigned())
    sigv4.check_time(signature, NOW + 60)
    with pytest.raises(Unauthorized) as caught:
        sigv4.check_time(signature, NOW + 61)
    assert caught.value.reason == "expired"
    with pytest.raises(Unauthorized) as caught:
        sigv4.check_time(signature, NOW - 301)
    assert caught.value.reason == "skewed"


@pytest.mark.parametrize("expires", ["0", "604801", "-1", "1.5", "", "abc", "9999999999"])
def test_a_presigned_url_is_valid_for_a_week_at_most(expires: str) -> None:
    with pytest.raises(Unauthorized, match="X-Amz-Expires"):
        sigv4.read_query(presigned(X_Amz_Expires=expires))


def test_a_repeated_parameter_of_the_signature_is_refused() -> None:
    request = presigned()
    with pytest.raises(Unauthorized, match="repeated"):
        sigv4.read_query(replace(request, raw_query=f"{request.raw_query}&X-Amz-Date={DATE}"))


def test_times_are_read_in_the_forms_of_headers() -> None:
    assert basic_time("20150830T123600Z") == 1440938160
    assert extended_time("2015-08-30T12:36:00Z") == 1440938160
    assert http_time("Sun, 30 Aug 2015 12:36:00 GMT") == 1440938160
    assert http_time("Sun, 30 Aug 2015 12:36:00 -0000") == 1440938160
    assert http_time(f"Sun, 30 Aug {'9' * 20} 12:36:00 GMT") is None
    assert http_time(f"Sun, 30 Aug {'9' * 5000} 12:36:00 GMT") is None
    assert [basic_time(""), extended_time("x"), http_time("Sun, 30 Foo 2015 12:36:00 GMT")] == [None, None, None]
    assert basic_time("20150231T000000Z") is None
