"""The generated pages: Markdown of docstrings, wrapping, and the rows of documented attributes."""

from reference_pages import python_api
from reference_pages.markdown import from_rst, table, wrap


def test_a_literal_block_becomes_code() -> None:
    assert from_rst("Two lines::\n\n    a = 1\n\n    b = 2\n\nMore ``code``.") == (
        "Two lines:\n\n```python\na = 1\n\nb = 2\n```\n\nMore `code`."
    )
    assert from_rst("::\n\n    root\n    ├── leaf") == "```text\nroot\n├── leaf\n```"


def test_a_role_becomes_the_name_in_backticks() -> None:
    assert (
        from_rst("See :class:`~a.b.Name`, :meth:`close` and :mod:`a.errors`.") == "See `Name`, `close` and `a.errors`."
    )


def test_paragraphs_and_list_items_are_wrapped_and_code_is_not() -> None:
    long = "word " * 30
    code = f"```text\n{long}\n\n{long}\n```"
    wrapped = wrap(f"{long}\n\n- {long}\n- short\n\n{code}")
    assert code in wrapped
    prose = wrapped.removesuffix(code).splitlines()
    assert max(map(len, prose)) <= 100
    assert prose[3].startswith("- word")
    assert prose[4].startswith("  word")
    assert prose[5] == "- short"


def test_a_pipe_in_a_cell_is_escaped() -> None:
    assert table(["type"], [["`int | None`"]]) == "| type |\n| --- |\n| `int \\| None` |"


def test_the_python_page_has_properties_and_names_of_other_packages() -> None:
    page = python_api.render()
    assert "| `metrics` | `Mapping[str, Any]` | The evaluation on held-out data" in page
    assert "### Labels" in page
    assert 'release.predict("cat.jpg")\n```' in page
