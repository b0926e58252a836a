"""Reports: one file, everything escaped, the same bytes each time."""

from html.parser import HTMLParser

from matplotlib.figure import Figure

from larder_training.reporting.html import Section, facts, figure, image_grid, paragraph, render, table

HOSTILE = "<script>alert('x')</script>&\""


class Outline(HTMLParser):
    """Collects the tags and every reference that a browser would follow."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in {"src", "href"}]


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    return parser


def drawing() -> Figure:
    drawn = Figure(figsize=(3, 2))
    axes = drawn.subplots()
    axes.plot([1, 2, 3], [3, 1, 2], marker="o", label="a")
    axes.legend()
    return drawn


def test_everything_from_data_is_escaped() -> None:
    blocks = (
        paragraph(HOSTILE),
        facts({HOSTILE: HOSTILE}),
        table([HOSTILE], [[HOSTILE]]),
        image_grid([(b"", HOSTILE)]),
    )
    found = outline(render(HOSTILE, [Section.of(HOSTILE, *blocks)]))
    assert "script" not in found.tags
    assert {"table", "dl", "img", "h1", "h2"} <= set(found.tags)


def test_a_report_refers_to_nothing_outside() -> None:
    page = render("T", [Section.of("Plot", figure(drawing(), "A line"), image_grid([(b"jpeg", "one")]))])
    assert all(reference.startswith(("data:", "#")) for reference in outline(page).references)


def test_the_same_report_has_the_same_bytes() -> None:
    one, two = (render("T", [Section.of("Plot", figure(drawing(), "A line"))]) for _ in range(2))
    assert one == two
