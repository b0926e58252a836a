"""What a registry lists."""

import pytest

from larder.registry import Registry
from larder.store import open_store


@pytest.mark.parametrize("other", ["Old", "pets.bak", "-pets"])
def test_folders_of_other_names_are_no_models(other: str) -> None:
    store = open_store("memory://")
    for name in ("pets", other):
        store.put(f"models/{name}/live.json", b"{}")
    assert Registry(store).models() == ["pets"]
