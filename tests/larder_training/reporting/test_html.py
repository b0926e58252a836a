"""Reports: one file, everything escaped, the same bytes each time, readable on every device."""

import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from tests.toys.reports import check_page, parse

from larder_training.reporting.html import (
    Section,
    bullets,
    facts,
    figure,
    image_grid,
    paragraph,
    properties,
    render,
    subheading,
    table,
)
from larder_training.reporting.plots import drawing_of, legend_above
from larder_training.reporting.title import TitleBlock
from larder_training.reporting.values import Estimate, number

HOSTILE = "<script>alert('x')</script>&\""
LONG = "x" * 200
CHROMIUM = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)


def drawing(width: float = 3) -> Figure:
    drawn, axes = drawing_of(width, 2)
    axes.plot([1, 2, 3], [3, 1, 2], marker="o", label="a")
    axes.text(1, 1, "text")
    legend_above(axes)
    return drawn


def page(text: str = "a label", title: str = "Plot") -> str:
    """A report with every kind of block, all with the same text."""
    rows = [(text, text, 3, 0.5, None), (text, text, 4, Estimate(number(0.25), "0.1 to 0.4"), True)]
    blocks = (
        paragraph(text),
        subheading(text),
        bullets([text, text]),
        facts({text: text, f"{text} 2": 12345}),
        table([text, "Name", "Count", "NDCG@20", "Kept"], rows),
        table([text, "Reason"], [row[:2] for row in rows]),
        properties({text: {text: [1, 2]}, "empty": {}}),
        figure(drawing(), f"A line of {text}"),
        figure(drawing(8), f"A wide line of {text}"),
        image_grid([(b"jpeg", text)]),
    )
    block = TitleBlock("Audit", text, text, text, {"Release": text, "Command": text}, [text])
    return render(block, [Section.of(title, *blocks), Section.of(title, paragraph("recall@20")), Section.of("Empty")])


@pytest.mark.parametrize("text", ["a label", HOSTILE, LONG, "naïve 猫 🐈", "{{ 7 * 7 }} {% raw %}"])
def test_every_page_is_well_formed(text: str) -> None:
    found = check_page(page(text))
    assert text in "".join(found.texts)


def test_all_text_from_data_is_escaped() -> None:
    html = page(HOSTILE)
    assert HOSTILE not in html
    assert "<script" not in html
    assert {"table", "dl", "img", "h1", "h2", "h3", "ul", "svg"} <= {tag for tag, _ in parse(html).tags}


def test_the_same_report_has_the_same_bytes() -> None:
    assert page() == page()


def test_the_contents_lead_to_each_section() -> None:
    found = parse(page())
    contents = [link["href"] for link in found.all("a") if link["href"].startswith("#section-")]
    assert contents == ["#section-plot", "#section-plot-2", "#section-empty"]
    assert {target[1:] for target in contents} == {
        heading["id"] for heading in found.all("h2") if heading["id"].startswith("section-")
    }


def test_terms_lead_to_their_explanation() -> None:
    html = render(TitleBlock("a", "b"), [Section.of("c", paragraph("recall@20 and the calibration error"))])
    assert [link["href"] for link in check_page(html).all("a") if link.get("class") == "term"] == [
        "#term-recall-k",
        "#term-calibration-error",
    ]
    assert "among the first k recommendations" in html
    assert "NDCG" not in html.split("<main>")[1].split("<dl")[0]


def test_a_report_without_terms_has_no_glossary() -> None:
    assert 'id="terms"' not in render(TitleBlock("a", "b"), [Section.of("c", paragraph("d"))])


def test_warnings_come_before_everything_else() -> None:
    html = render(TitleBlock("Audit", "x", warnings=["half of the rows are lost"]), [Section.of("c", paragraph("d"))])
    assert html.index("half of the rows") < html.index("Contents") < html.index("<main>")
    assert "warnings" not in render(TitleBlock("Audit", "x"), [Section.of("c")]).split("</style>")[1]


def test_tables_align_numbers_and_stack_where_they_are_wide() -> None:
    rows = [("a", 1, 0.5, "some words " * 9), ("b", 1200, None, "y" * 24)]
    found = parse(table(("Name", "Count", "Share", "Why"), rows))
    assert found.all("table")[0]["class"] == "stacked"
    assert [cell.get("class") for cell in found.all("td")] == [
        "number",
        "number",
        None,
        "number",
        "number nothing",
        None,
    ]
    assert [cell["data-label"] for cell in found.all("td")] == ["Count", "Share", "Why"] * 2
    assert "1,200" in found.texts
    narrow, long = table(("Name", "Why"), [("a", LONG)]), table(("Name", "Why", "How"), [("words " * 9,) * 3])
    assert "stacked" not in narrow
    assert "stacked" in long


def test_a_table_without_rows_says_so() -> None:
    assert table(("Name", "Why"), []) == "<p>There are none.</p>"


def test_a_plot_takes_the_colours_of_the_page() -> None:
    html = figure(drawing(), "A line")
    colours = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", html))
    assert "currentColor" in colours
    assert not colours & {"#000000", "#ffffff", "black", "white"}
    assert "<title>A line</title>" in html


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: install it to measure the page's width")
def test_a_phone_shows_the_page_without_scrolling_sideways(tmp_path: Path) -> None:
    frames = "".join(
        f'<iframe style="width:390px;height:900px" srcdoc="{escape(page(text))}"></iframe>'
        for text in ("a label", LONG)
    )
    measure = "[...document.querySelectorAll('iframe')].map(f => f.contentDocument.documentElement.scrollWidth)"
    script = f"<script>onload = () => document.body.append('widths ' + {measure} + '.')</script>"
    (tmp_path / "phone.html").write_text(f"<!doctype html><meta charset=utf-8><body>{frames}{script}", encoding="utf-8")
    options = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--virtual-time-budget=2000",
        "--dump-dom",
    )
    network = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
    command = [str(CHROMIUM), *options, *network, f"--user-data-dir={tmp_path}", (tmp_path / "phone.html").as_uri()]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own page
    assert "widths 390,390." in shown
