"""Colours of reports: contrast by WCAG 2, of text and of plots, on the light and the dark page."""

import re
from importlib.resources import files

import pytest
from matplotlib.colors import to_rgb

from larder_training.reporting.plots import COLOURS

TEXT, GRAPHICS = 4.5, 3.0  # WCAG 2.2, criteria 1.4.3 and 1.4.11
CSS = files("larder_training.reporting").joinpath("templates", "report.css").read_text(encoding="utf-8")
THEMES = dict(zip(("light", "dark", "print"), re.findall(r":root \{([^}]*--page[^}]*)\}", CSS), strict=True))
ON = {"ink": ("page", "soft", "warning"), "quiet": ("page", "soft"), "accent": ("page",)}


def theme(name: str) -> dict[str, str]:
    """The custom properties of a theme; print takes the warning's colours from the light one."""
    found = {theme: dict(re.findall(r"--([\w-]+):\s*(#\w+)", css)) for theme, css in THEMES.items()}
    return {**found["light"], **found[name]}


def contrast(first: str, second: str) -> float:
    def luminance(colour: str) -> float:
        channels = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in to_rgb(colour)]
        return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_is_that_of_wcag() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", THEMES)
def test_text_is_readable(name: str) -> None:
    colours = theme(name)
    low = {
        f"{text} on {ground}": round(ratio, 2)
        for text, grounds in ON.items()
        for ground in grounds
        if (ratio := contrast(colours[text], colours[ground])) < TEXT
    }
    assert not low


@pytest.mark.parametrize("name", THEMES)
def test_plots_and_marks_stand_out(name: str) -> None:
    colours = theme(name)
    marks = {**{f"plot {colour}": colour for colour in COLOURS}, "warning-line": colours["warning-line"]}
    ratios = {mark: round(contrast(colour, colours["page"]), 2) for mark, colour in marks.items()}
    low = {mark: ratio for mark, ratio in ratios.items() if ratio < GRAPHICS}
    assert not low
