"""boto3's Personalize Runtime client, unmodified, against the running service."""

import json
import math
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.compat.conftest import REGION, Endpoint
from tests.paths import ROOT
from tests.toys.shop import IDS

from larder.registry.aliases import set_alias
from larder.registry.stored_filters import add_filter
from larder.store import Store, open_store

Client = Any  # boto3 makes its clients' classes at run time
Items = list[dict[str, Any]]
Native = Callable[..., list[str]]

ARN = "arn:aws:personalize:us-east-1:123456789012"
CAMPAIGN = f"{ARN}:campaign/shop"
FILTERS = {
    "fruit": 'INCLUDE ItemID WHERE Items.KIND IN ("fruit")',
    "kinds": "INCLUDE ItemID WHERE Items.KIND IN ($KINDS)",
    "cheap": "EXCLUDE ItemID WHERE Items.PRICE > $MOST",
    "not-bought": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("buy")',
    "adults": 'EXCLUDE ItemID WHERE Items.KIND IN ("fruit") IF CurrentUser.AGE > 30',
    "cheaper": "INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE",
    "herbs": 'INCLUDE ItemID WHERE Items.KIND IN ("herb")',
}


@pytest.fixture(scope="module")
def client(endpoint: Endpoint) -> Iterator[Client]:
    client = connect(endpoint)
    yield client
    client.close()


def connect(endpoint: Endpoint) -> Client:
    return boto3.client(
        "personalize-runtime",
        endpoint_url=endpoint.url,
        region_name=REGION,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        config=Config(retries={"max_attempts": 0}),
    )


@pytest.fixture(scope="module", autouse=True)
def store(endpoint: Endpoint) -> Store:
    """The store of the service, with stored filters."""
    store = open_store(endpoint.store.as_uri())
    for name, expression in FILTERS.items():
        add_filter(store, "shop", name, expression)
    return store


@pytest.fixture(scope="module")
def native(endpoint: Endpoint) -> Native:
    """Asks a native route; returns the items' ids."""

    def ask(path: str, document: Mapping[str, object] | None = None, **query: object) -> list[str]:
        body = None if document is None else json.dumps(document).encode()
        headers = {"content-type": "application/json"} if body else {}
        method, parameters = "POST" if body else "GET", f"?{urlencode(query)}" if query else ""
        answer = endpoint.call(method, f"/v1/models/shop/{path}{parameters}", body, headers)
        return [item["id"] for item in json.loads(answer.body)["items"]]

    return ask


def ids(items: Items) -> list[str]:
    return [item["itemId"] for item in items]


def recommend(client: Client, **options: object) -> Items:
    items: Items = client.get_recommendations(campaignArn=CAMPAIGN, **options)["itemList"]
    return items


# -------------------------------------------------------------------------------------------------- Recommendations


@pytest.mark.parametrize("user", ["ada", "bob", "zoë", "a new user"])
def test_a_user_gets_the_items_of_the_native_route(client: Client, native: Native, user: str) -> None:
    assert ids(recommend(client, userId=user)) == native("recommend", user=user)


@pytest.mark.parametrize("item", ["apple", "dill, fresh", "Grünkohl 🥬"])
def test_an_item_gets_its_neighbours_without_scores(client: Client, native: Native, item: str) -> None:
    items = recommend(client, itemId=item)
    assert ids(items) == native(f"similar/{quote(item)}")
    assert all(set(entry) == {"itemId"} for entry in items)


def test_a_user_and_an_item_are_answered_with_the_item_in_view(client: Client, native: Native) -> None:
    items = recommend(client, userId="ada", itemId="cherry")
    assert ids(items) == native("recommend", user="ada", item="cherry")
    assert ids(items) != native("recommend", user="ada")


def test_an_unknown_item_gets_popular_items_and_a_warning(client: Client, native: Native) -> None:
    answer = client.get_recommendations(campaignArn=CAMPAIGN, itemId="a new item", numResults=3)
    assert ids(answer["itemList"]) == native("recommend", n=3)
    assert "no item 'a new item'" in answer["ResponseMetadata"]["HTTPHeaders"]["x-larder-warning"]


def test_numbers_of_results(client: Client, native: Native) -> None:
    assert ids(recommend(client, userId="ada", numResults=2)) == native("recommend", user="ada", n=2)
    assert recommend(client, userId="ada", numResults=0) == []
    assert len(recommend(client, userId="ada", numResults=500)) == len(native("recommend", user="ada", n=500))


def test_scores_are_the_softmax_over_the_catalogue(client: Client, endpoint: Endpoint) -> None:
    answer = endpoint.call("GET", "/v1/models/shop/recommend?user=ada&n=7")
    scored = {item["id"]: item["score"] for item in json.loads(answer.body)["items"]}
    items = recommend(client, userId="ada")
    total = sum(math.exp(scored.get(item, 0.0)) for item in IDS)
    assert {item["itemId"]: item["score"] for item in items} == pytest.approx(
        {item: math.exp(score) / total for item, score in scored.items()}, abs=1e-6
    )
    shares = [item["score"] for item in items]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1 - (len(IDS) - len(items)) / total), "other items have score 0"


def test_scores_of_an_answer_do_not_depend_on_its_length_or_its_filter(client: Client) -> None:
    every = {item["itemId"]: item["score"] for item in recommend(client, userId="ada")}
    few = recommend(client, userId="ada", numResults=2, filterArn=f"{ARN}:filter/fruit")
    assert {item["itemId"]: every[item["itemId"]] for item in few} == {item["itemId"]: item["score"] for item in few}


def test_every_answer_has_an_id_of_its_own_and_names_model_and_release(client: Client, endpoint: Endpoint) -> None:
    answers = [client.get_recommendations(campaignArn=CAMPAIGN, userId="ada") for _ in range(2)]
    first, second = (answer["recommendationId"] for answer in answers)
    assert first != second
    assert str(uuid.UUID(first)) == first
    assert len(first) <= 40, "the longest that PutEvents takes"
    metadata = answers[0]["ResponseMetadata"]
    assert len(metadata["RequestId"]) == 36
    assert metadata["HTTPHeaders"]["x-larder-release"] == newest(endpoint)


def newest(endpoint: Endpoint) -> str:
    return max(path.name for path in (endpoint.store / "models/shop/releases").iterdir())


def test_popular_items_say_so(client: Client) -> None:
    assert [item["reason"] for item in recommend(client, userId="a new user", numResults=2)] == [["Popular item"]] * 2
    assert "reason" not in recommend(client, userId="ada", numResults=1)[0]


def test_context_is_the_users_profile(client: Client, native: Native) -> None:
    berlin = native("recommend", {"user": "new", "profile": {"CITY": "Berlin", "AGE": 20}, "n": 5})
    assert ids(recommend(client, userId="new", context={"CITY": "Berlin", "AGE": "20"}, numResults=5)) == berlin
    assert ids(recommend(client, userId="new", context={"city": "Berlin", "age": "20"}, numResults=5)) == berlin
    assert berlin != native("recommend", user="new", n=5)


def test_other_context_is_ignored_with_a_warning(client: Client, native: Native) -> None:
    answer = client.get_recommendations(campaignArn=CAMPAIGN, userId="ada", context={"DEVICE": "téléphone"})
    assert ids(answer["itemList"]) == native("recommend", user="ada")
    warning = answer["ResponseMetadata"]["HTTPHeaders"]["x-larder-warning"]
    assert warning == "context.DEVICE is ignored: the columns of this model's users are AGE, CITY."


def test_metadata_have_the_names_of_the_request(client: Client) -> None:
    items = recommend(client, itemId="apple", metadataColumns={"ITEMS": ["KIND", "price", "Title"]})
    assert {item["itemId"]: item["metadata"] for item in items} == {
        "bread": {"KIND": "grain", "price": "2.5", "Title": "Rye"},
        "cherry": {"KIND": "fruit|red", "price": "4"},
        "dill, fresh": {"KIND": "herb", "Title": "Dill"},
    }


@pytest.mark.parametrize("kind", ["campaignArn", "recommenderArn"])
@pytest.mark.parametrize(
    "name", [CAMPAIGN, f"{ARN}:recommender/shop", "arn:aws-cn:personalize:::campaign/shop", "shop"]
)
def test_campaigns_and_recommenders_name_models(client: Client, native: Native, kind: str, name: str) -> None:
    assert ids(client.get_recommendations(userId="ada", **{kind: name})["itemList"]) == native("recommend", user="ada")


def test_an_alias_names_a_model(client: Client, native: Native, store: Store) -> None:
    whole = f"{ARN}:campaign/Produkte_DE"
    set_alias(store, whole, "shop")
    set_alias(store, "Angebote", "shop")
    for name in (whole, f"{ARN}:recommender/Angebote", "Angebote"):
        answer = client.get_recommendations(campaignArn=name, userId="ada")
        assert ids(answer["itemList"]) == native("recommend", user="ada")


# ---------------------------------------------------------------------------------------------- Filters, promotions


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("fruit", {}),
        ("kinds", {"KINDS": '"herb","grain"'}),
        ("kinds", {"KINDS": "fruit"}),
        ("cheap", {"MOST": "2.5"}),
        ("cheap", {}),
    ],
)
@pytest.mark.parametrize("form", ["filter", "filter/shop"])
def test_stored_filters(client: Client, native: Native, form: str, name: str, values: dict[str, str]) -> None:
    items = ids(recommend(client, userId="ada", filterArn=f"{ARN}:{form}/{name}", filterValues=values))
    native_values = {f"filter_values.{key}": value for key, value in values.items()}
    assert items == native("recommend", user="ada", filter=FILTERS[name], **native_values)
    assert 0 < len(items) <= len(IDS)


@pytest.mark.parametrize(("name", "left_out"), [("not-bought", ["fig"]), ("adults", ["apple", "cherry", "fig"])])
def test_filters_ask_about_the_user(client: Client, native: Native, name: str, left_out: list[str]) -> None:
    arn = f"{ARN}:filter/{name}"
    every = native("recommend", user="ada")
    assert ids(recommend(client, userId="ada", filterArn=arn)) == [item for item in every if item not in left_out]
    young = recommend(client, userId="a new user", filterArn=arn, context={"AGE": "20"})
    assert {"apple", "cherry"} <= set(ids(young)), "neither clause is about this user"
    similar = recommend(client, userId="ada", itemId="egg", filterArn=arn)
    assert not set(left_out) & set(ids(similar))


def test_a_filter_asks_about_the_item(client: Client) -> None:
    items = ids(recommend(client, itemId="apple", filterArn=f"{ARN}:filter/cheaper"))
    assert items == []
    assert ids(recommend(client, itemId="fig", filterArn=f"{ARN}:filter/cheaper")) == ["egg"]


def test_a_filter_applies_to_related_items(client: Client, native: Native) -> None:
    items = ids(recommend(client, itemId="apple", filterArn=f"{ARN}:filter/fruit"))
    assert items == native("similar/apple", filter=FILTERS["fruit"]) == ["cherry"]


def test_a_value_that_no_item_has_is_a_warning(client: Client) -> None:
    answer = client.get_recommendations(
        campaignArn=CAMPAIGN, userId="ada", filterArn=f"{ARN}:filter/kinds", filterValues={"KINDS": '"frut"'}
    )
    assert answer["itemList"] == []
    assert "frut" in answer["ResponseMetadata"]["HTTPHeaders"]["x-larder-warning"]


def test_promotions(client: Client, native: Native) -> None:
    promotion = {"name": "herb-week", "percentPromotedItems": 50, "filterArn": f"{ARN}:filter/herbs"}
    items = recommend(client, userId="bob", numResults=4, promotions=[promotion])
    native_promotion = {"name": "herb-week", "percent": 50, "filter": FILTERS["herbs"]}
    assert ids(items) == native("recommend", {"user": "bob", "n": 4, "promotions": [native_promotion]})
    promoted = [item for item in items if "promotionName" in item]
    assert {item["promotionName"] for item in promoted} == {"herb-week"}
    assert all(item["reason"] == ["Promoted item"] for item in promoted)
    assert len(promoted) == 2


def test_the_filter_of_a_promotion_replaces_that_of_the_request(client: Client) -> None:
    promotion = {"name": "p", "percentPromotedItems": 25, "filterArn": f"{ARN}:filter/kinds"}
    items = recommend(
        client,
        userId="ada",
        numResults=4,
        filterArn=f"{ARN}:filter/fruit",
        promotions=[{**promotion, "filterValues": {"KINDS": '"grain"'}}],
    )
    assert [item["itemId"] for item in items if "promotionName" in item] == ["bread"]
    assert "bread" not in [item["itemId"] for item in items if "promotionName" not in item]


# ----------------------------------------------------------------------------------------------------------- Ranking


def rank(client: Client, items: list[str], **options: object) -> Items:
    ranking: Items = client.get_personalized_ranking(campaignArn=CAMPAIGN, userId="ada", inputList=items, **options)[
        "personalizedRanking"
    ]
    return ranking


def test_a_ranking_is_that_of_the_native_route(client: Client, native: Native) -> None:
    items = ["apple", "unknown 1", "egg", "fig", "unknown 2", "cherry", "Grünkohl 🥬"]
    ranking = rank(client, items)
    assert ids(ranking) == native("rank", {"user": "ada", "items": items})
    assert ids(ranking)[-2:] == ["unknown 1", "unknown 2"]
    assert all(set(item) == {"itemId"} for item in ranking[-2:])
    shares = [item["score"] for item in ranking[:-2]]
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)


def test_a_ranking_takes_context_metadata_and_filters(client: Client) -> None:
    options = {"context": {"CITY": "Berlin"}, "metadataColumns": {"ITEMS": ["KIND"]}}
    ranking = rank(client, ["bread", "fig", "unknown"], **options)
    assert ranking[0]["metadata"] == {"KIND": "fruit"}
    assert ranking[-1] == {"itemId": "unknown", "metadata": {}}
    filtered = rank(client, ["bread", "fig", "apple", "unknown"], filterArn=f"{ARN}:filter/fruit")
    assert ids(filtered) == ["fig", "apple"]
    assert sum(item["score"] for item in filtered) == pytest.approx(1)


def test_a_ranking_of_unknown_items_keeps_their_order(client: Client) -> None:
    assert rank(client, ["z", "y"]) == [{"itemId": "z"}, {"itemId": "y"}]


# ------------------------------------------------------------------------------------------------------------ Errors

USER: dict[str, Any] = {"campaignArn": CAMPAIGN, "userId": "ada"}
RANKING: dict[str, Any] = {**USER, "inputList": ["apple"]}
ONE = {"name": "p", "percentPromotedItems": 10, "filterArn": f"{ARN}:filter/fruit"}
LONG = "x" * 257


@pytest.mark.parametrize(
    ("operation", "options", "message"),
    [
        ("get_recommendations", {"campaignArn": CAMPAIGN}, "userId and itemId are missing"),
        ("get_recommendations", {"userId": "ada"}, "campaignArn is missing"),
        ("get_recommendations", {**USER, "recommenderArn": CAMPAIGN}, "are both sent"),
        ("get_recommendations", {**USER, "userId": ""}, "userId has 0 characters"),
        ("get_recommendations", {**USER, "userId": LONG}, "userId has 257 characters: send 1 to 256"),
        ("get_recommendations", {**USER, "itemId": LONG}, "itemId has 257 characters"),
        ("get_recommendations", {**USER, "numResults": 501}, "numResults is 501: send a whole number from 0 to 500"),
        ("get_recommendations", {**USER, "numResults": 51, "metadataColumns": {"ITEMS": ["KIND"]}}, "from 0 to 50"),
        ("get_recommendations", {**USER, "metadataColumns": {"ITEMS": ["COLOUR"]}}, "this model's items have KIND, P"),
        ("get_recommendations", {**USER, "metadataColumns": {"ITEMS": ["KIND"] * 11}}, "send at most 10"),
        ("get_recommendations", {**USER, "metadataColumns": {"USERS": ["CITY"]}}, "USERS' is not a field here"),
        ("get_recommendations", {**USER, "context": {"AGE": "old"}}, "AGE is 'old': send a finite number"),
        ("get_recommendations", {**USER, "context": {"CITY": "x" * 1001}}, "context.CITY has 1001 characters"),
        ("get_recommendations", {**USER, "context": {f"C{n}": "" for n in range(151)}}, "send at most 150"),
        ("get_recommendations", {**USER, "filterValues": {"A": "1"}}, "filterValues is sent without filterArn"),
        ("get_recommendations", {**USER, "filterArn": f"{ARN}:filter/kinds"}, "$KINDS has no value"),
        (
            "get_recommendations",
            {**USER, "filterArn": f"{ARN}:filter/fruit", "filterValues": {"A": "1"}},
            "no parameter $A",
        ),
        (
            "get_recommendations",
            {**USER, "filterArn": f"{ARN}:filter/kinds", "filterValues": {"KINDS": "x" * 1001}},
            "filterValues.KINDS has 1001 characters",
        ),
        (
            "get_recommendations",
            {**USER, "filterArn": f"{ARN}:filter/fruit", "filterValues": {f"A{n}": "1" for n in range(26)}},
            "send at most 25",
        ),
        (
            "get_recommendations",
            {**USER, "filterArn": f"{ARN}:filter/fruit", "filterValues": {"$A": "1"}},
            "without $",
        ),
        ("get_recommendations", {**USER, "filterArn": f"{ARN}:campaign/shop"}, "is not the ARN of a filter"),
        ("get_recommendations", {**USER, "promotions": [ONE, {**ONE, "name": "q"}]}, "2 entries: send at most 1"),
        ("get_recommendations", {**USER, "promotions": [{**ONE, "percentPromotedItems": 101}]}, "from 1 to 100"),
        (
            "get_recommendations",
            {**USER, "promotions": [{"name": "p", "percentPromotedItems": 9}]},
            "promotions[0].filterArn is missing",
        ),
        ("get_recommendations", {**USER, "promotions": [{**ONE, "name": "a b"}]}, "promotions[0].name is 'a b'"),
        ("get_personalized_ranking", {**RANKING, "inputList": []}, "inputList is empty"),
        ("get_personalized_ranking", {**RANKING, "inputList": ["x"] * 501}, "501 entries: send at most 500"),
        (
            "get_personalized_ranking",
            {**RANKING, "inputList": ["x"] * 51, "metadataColumns": {"ITEMS": ["KIND"]}},
            "51 entries: send at most 50",
        ),
        ("get_personalized_ranking", {**RANKING, "inputList": [LONG]}, "inputList has 257 characters"),
        ("get_personalized_ranking", {**RANKING, "userId": ""}, "userId has 0 characters"),
        ("get_action_recommendations", USER, "recommend items, not actions: call GetRecommendations"),
    ],
)
def test_invalid_input(client: Client, operation: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(client.exceptions.InvalidInputException) as raised:
        getattr(client, operation)(**options)
    assert message in raised.value.response["Error"]["Message"]
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"campaignArn": f"{ARN}:campaign/pest"}, "Model 'pest' does not exist"),
        ({"campaignArn": f"{ARN}:campaign/Shop_1"}, "'Shop_1' does not name a model"),
        ({"campaignArn": f"{ARN}:solution/shop"}, "does not name a model: use arn:aws:personalize:"),
        ({"campaignArn": f"{ARN}:campaign/colours"}, "classifier"),
        ({"campaignArn": f"{ARN}:campaign/draft"}, "No release of model draft is live"),
        ({"campaignArn": CAMPAIGN, "filterArn": f"{ARN}:filter/none"}, "no stored filter 'none'"),
        ({"campaignArn": CAMPAIGN, "filterArn": f"{ARN}:filter/other/fruit"}, "a filter of another model"),
    ],
)
def test_a_resource_that_does_not_exist(client: Client, options: dict[str, Any], message: str) -> None:
    for call, more in ((client.get_recommendations, {}), (client.get_personalized_ranking, {"inputList": ["apple"]})):
        with pytest.raises(client.exceptions.ResourceNotFoundException) as raised:
            call(userId="ada", **more, **options)
        assert message in raised.value.response["Error"]["Message"]
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def refused(endpoint: Endpoint, campaign: str = CAMPAIGN) -> dict[str, Any]:
    """The error, headers and status with which a request is refused."""
    with pytest.raises(ClientError) as raised:
        connect(endpoint).get_recommendations(campaignArn=campaign, userId="ada")
    response: dict[str, Any] = dict(raised.value.response)
    return response


@pytest.mark.parametrize(
    ("access_key", "code"),
    [
        (None, "InvalidSignatureException"),
        ("LK" + "X" * 18, "UnrecognizedClientException"),
        ("AKIAIOSFODNN7EXAMPLE", "UnrecognizedClientException"),
    ],
)
def test_a_request_without_a_valid_key_is_refused(endpoint: Endpoint, access_key: str | None, code: str) -> None:
    response = refused(replace(endpoint, access_key=access_key or endpoint.access_key, secret_key="x" * 40))
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, 403)


def test_an_unsigned_request_is_refused(endpoint: Endpoint) -> None:
    unsigned = Config(signature_version=UNSIGNED, retries={"max_attempts": 0})
    client = boto3.client("personalize-runtime", endpoint_url=endpoint.url, region_name=REGION, config=unsigned)
    with pytest.raises(ClientError) as raised:
        client.get_personalized_ranking(campaignArn=CAMPAIGN, userId="ada", inputList=["apple"])
    assert raised.value.response["Error"]["Code"] == "MissingAuthenticationTokenException"


def test_a_key_without_the_model_learns_nothing(endpoint: Endpoint) -> None:
    other = endpoint.with_key("classify colours")
    answers = [refused(other, f"{ARN}:campaign/{name}") for name in ("shop", "colours", "pest")]
    assert {answer["Error"]["Code"] for answer in answers} == {"AccessDeniedException"}
    messages = [answer["Error"]["Message"] for answer in answers]
    assert (
        len({message.replace(name, "") for message, name in zip(messages, ("shop", "colours", "pest"), strict=True)})
        == 1
    )


def test_a_key_above_its_rate_is_throttled(endpoint: Endpoint, native: Native) -> None:
    client = connect(endpoint.with_key("recommend once"))
    assert ids(recommend(client, userId="ada")) == native("recommend", user="ada")
    with pytest.raises(ClientError) as raised:
        recommend(client, userId="ada")
    assert raised.value.response["Error"]["Code"] == "ThrottlingException"
    assert int(raised.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) > 1


# ------------------------------------------------------------------------------------------------------- Environment


def test_the_environment_alone_leads_an_unmodified_program_here(endpoint: Endpoint, native: Native) -> None:
    program = (
        "import boto3, json\n"
        "client = boto3.client('personalize-runtime')\n"
        f"answer = client.get_recommendations(campaignArn='{CAMPAIGN}', userId='ada')\n"
        "print(json.dumps([item['itemId'] for item in answer['itemList']]))\n"
    )
    done = subprocess.run(  # noqa: S603  # this interpreter and our own program
        [sys.executable, "-c", program],
        env={"PATH": os.defpath, "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": endpoint.url, **endpoint.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == native("recommend", user="ada")


def test_the_documented_example_prints_items(endpoint: Endpoint, native: Native) -> None:
    done = subprocess.run(  # noqa: S603  # this interpreter and our own program
        [sys.executable, ROOT / "examples/clients/personalize.py", CAMPAIGN, "ada"],
        env={"PATH": os.defpath, "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": endpoint.url, **endpoint.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    *items, last = done.stdout.splitlines()
    best = native("recommend", user="ada", n=5)
    assert [re.sub(r"^0\.\d{4} ", "", line) for line in items] == best
    assert last == f"for a new user: {', '.join(native('rank', {'items': best}))}"
