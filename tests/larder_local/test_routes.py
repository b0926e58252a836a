"""Routes are selected by the rules of API Gateway."""

import pytest

from larder_local.gateway.routes import Route, find

ROUTES = [
    Route("ANY", "/{proxy+}", "rest"),
    Route("GET", "/pets/dog/1", "exact"),
    Route("GET", "/pets/dog/{id}", "variable"),
    Route("GET", "/pets/{proxy+}", "greedy"),
    Route("ANY", "/pets/dog/1", "any"),
    Route("GET", "/{kind}/cat/{id}", "two"),
]


@pytest.mark.parametrize(
    ("method", "path", "function", "variables"),
    [
        # The example of the developer guide.
        ("GET", "/pets/dog/1", "exact", {}),
        ("GET", "/pets/dog/2", "variable", {"id": "2"}),
        ("GET", "/pets/bird/1", "greedy", {"proxy": "bird/1"}),
        ("POST", "/test/5", "rest", {"proxy": "test/5"}),
        # A specific method comes before ANY, a full match before a greedy one.
        ("PUT", "/pets/dog/1", "any", {}),
        ("GET", "/pets/cat/7", "two", {"kind": "pets", "id": "7"}),
        # An encoded slash stays inside its segment and is decoded afterwards.
        ("GET", "/pets/dog/a%2Fb%20c", "variable", {"id": "a/b c"}),
        ("GET", "/pets/%64og/1", "exact", {}),
        ("GET", "/pets/dog/%E4%B8%AD", "variable", {"id": "中"}),
        ("GET", "/pets/dog/", "greedy", {"proxy": "dog/"}),
    ],
)
def test_the_closest_route_is_selected(method: str, path: str, function: str, variables: dict[str, str]) -> None:
    match = find(ROUTES, method, path)

    assert match is not None
    assert (match[0].function, match[1]) == (function, variables)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/a"), ("GET", "/a/b/"), ("GET", "/a/b/c"), ("PUT", "/a/b"), ("GET", "/a/")]
)
def test_no_route(method: str, path: str) -> None:
    assert find([Route("GET", "/a/{b}", "f")], method, path) is None


def test_default_matches_if_no_other_route_does() -> None:
    routes = [Route("ANY", "$default", "default"), Route("GET", "/a", "a")]

    assert [match[0].key for path in ("/a", "/b/c") if (match := find(routes, "GET", path))] == ["GET /a", "$default"]
