import pytest

from larder.errors import InvalidRequest
from larder_training.classifier.config.options import parse_roles


def test_columns_of_a_list_are_stated_by_role() -> None:
    assert parse_roles(["Path = file name, label=breed", "split=set"]) == {
        "path": "file name",
        "label": "breed",
        "split": "set",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file", "'file' is not COLUMN=NAME. Example: path=file,label=breed"),
        ("path=", "columns have path=: give the list's names for path, label, split"),
        ("USER_ID=file", "columns have user_id=file: give the list's names for path, label, split"),
        ("path=a,Path=b", "--columns states path as a and as b: give one"),
    ],
)
def test_wrong_roles_are_errors(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_roles([text])
