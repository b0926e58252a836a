"""Columns are found by their names, by names that the user states, or by well-known names."""

import pytest

from larder.errors import InvalidRequest
from larder_training.io.column_names import ColumnNames, describe, parse_columns

LOG = ("USER_ID", "ITEM_ID", "TIMESTAMP")
OPTIONAL = ("EVENT_TYPE", "EVENT_VALUE")


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("USER_ID,ITEM_ID,TIMESTAMP", "USER_ID,ITEM_ID,TIMESTAMP"),
        ("User Id,itemId,Timestamp,note", "User Id,itemId,Timestamp"),
        ("userId,movieId,rating,timestamp", "userId,movieId,timestamp,rating"),
        (
            "event_time,event_type,product_id,category_id,price,user_id,user_session",
            "user_id,product_id,event_time,event_type",
        ),
        ("timestamp,visitorid,event,itemid,transactionid", "visitorid,itemid,timestamp,event"),
        ("t_dat,customer_id,article_id,price", "customer_id,article_id,t_dat"),
        ("session,aid,ts,type", "session,aid,ts,type"),
        ("InvoiceNo,StockCode,Quantity,InvoiceDate,CustomerID", "CustomerID,StockCode,InvoiceDate"),
        ("user,item,date,behavior", "user,item,date,behavior"),
    ],
)
def test_names_of_ordinary_logs_are_recognized(header: str, names: str) -> None:
    found = ColumnNames().find("log.csv", header.split(","), LOG, OPTIONAL)
    assert list(found.values()) == names.split(",")


def test_names_that_differ_are_said() -> None:
    found = ColumnNames().find("log.csv", ["USER_ID", "sku", "ts"], LOG, OPTIONAL)
    assert describe("log.csv", found) == "log.csv: sku as ITEM_ID, ts as TIMESTAMP."
    assert describe("log.csv", {"USER_ID": "USER_ID"}) is None


@pytest.mark.parametrize(
    ("stated", "header", "message"),
    [
        (
            {},
            "who,what,timestamp",
            r"has no column USER_ID, ITEM_ID \(it has who, what, .*--columns USER_ID=NAME,ITEM",
        ),
        ({}, "userId,movieId", "has no column TIMESTAMP .* add --order random"),
        ({}, "userId,itemId,asin,ts,sku", None),
        (
            {},
            "userId,sku,asin,ts",
            "sku and asin could be it. Give --columns ITEM_ID=sku or --columns ITEM_ID=asin",
        ),
        ({"ITEM_ID": "movie"}, "userId,movieId,ts", "no column movie, which --columns states .* did you mean movieId"),
        ({"TIMESTAMP": ""}, "userId,movieId,ts", "has no column TIMESTAMP"),
    ],
)
def test_what_cannot_be_decided_is_an_error(stated: dict[str, str], header: str, message: str | None) -> None:
    names = ColumnNames(stated)
    if message is None:
        assert names.find("log.csv", header.split(","), LOG, OPTIONAL)["ITEM_ID"] == "itemId"
        return
    with pytest.raises(InvalidRequest, match=message):
        names.find("log.csv", header.split(","), LOG, OPTIONAL)


def test_stated_names_go_before_others() -> None:
    names = ColumnNames({"ITEM_ID": "parent", "EVENT_VALUE": "", "TIMESTAMP": "Event"})
    found = names.find("log.csv", ["ITEM_ID", "parent", "user_id", "event", "rating"], LOG, OPTIONAL)
    assert found == {"USER_ID": "user_id", "ITEM_ID": "parent", "TIMESTAMP": "event"}


def test_metadata_may_name_its_key_otherwise_than_the_log() -> None:
    names = ColumnNames({"ITEM_ID": "movieId", "USER_ID": "u"}, everywhere=False)
    assert names.find("movies.csv", ["movieId", "title"], ("ITEM_ID",), None) == {"ITEM_ID": "movieId"}
    assert names.find("movies.csv", ["id", "title"], ("ITEM_ID",), None) == {"ITEM_ID": "id"}
    with pytest.raises(InvalidRequest, match="has no column ITEM_ID"):
        ColumnNames().find("log.csv", ["userId", "id", "ts"], LOG, OPTIONAL)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("USER_ID", "'USER_ID' is not COLUMN=NAME"),
        ("userId=USER_ID", "Larder has no column userId: give USER_ID=userId"),
        ("ITEM_ID=a,USER_ID=u,ITEM_ID=b", "--columns states ITEM_ID as a and as b: give one"),
        ("GENRE=g", "Larder has no column GENRE: choose from USER_ID"),
    ],
)
def test_wrong_statements_are_errors(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_columns([text])


def test_statements_are_parsed() -> None:
    assert parse_columns(["USER_ID = userId, ITEM_ID=movie id", "EVENT_VALUE="]) == {
        "USER_ID": "userId",
        "ITEM_ID": "movie id",
        "EVENT_VALUE": "",
    }


@pytest.mark.parametrize(
    ("header", "required", "proposal"),
    [
        ("Handle,Title,Vendor,Variant SKU", ("ITEM_ID",), "column it is, perhaps --columns ITEM_ID=Handle."),
        (
            "Name,Email,Created on,Lineitem quantity,Lineitem sku,Paid at",
            LOG,
            'they are, perhaps --columns "USER_ID=Email,ITEM_ID=Lineitem sku,TIMESTAMP=Created on".',
        ),
        (
            "buyerNumber,item_category,item_ref,saleDate",
            LOG,
            "USER_ID=buyerNumber,ITEM_ID=item_ref,TIMESTAMP=saleDate.",
        ),
        ("a,b", ("ITEM_ID",), "say which column it is, --columns ITEM_ID=NAME."),
        ("user_id,b,c", LOG, "say which columns they are, --columns ITEM_ID=NAME,TIMESTAMP=NAME."),
    ],
)
def test_the_error_proposes_the_most_likely_column(header: str, required: tuple[str, ...], proposal: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        ColumnNames().find("file.csv", header.split(","), required, OPTIONAL)
    assert str(error.value).endswith(proposal)
