"""Figures as SVG: themed, without strangers' ids, the same bytes each time."""

import re
from xml.etree import ElementTree

import matplotlib
from matplotlib.figure import Figure

from tpu_orch.reports.evaluation import draw_summaries
from tpu_orch.reports.figure import save_figure
from tpu_orch.reports.page.palette import DARK, HATCHES, LIGHT, SERIES
from tpu_orch.reports.page.svg import STYLE, inline_svg, standalone_svg


def figure() -> Figure:
    with matplotlib.rc_context(STYLE):
        made = Figure(figsize=(4, 3))
        axes = made.subplots()
        for place, name in enumerate(SERIES):
            axes.plot([1, 2], [place, place + 1], color=LIGHT[name], marker="o", label=f"$x_{place}$ <b>")
            axes.bar([place], [1], color=LIGHT[name], hatch=HATCHES[place])
        axes.legend()
    return made


def luminance(colour: str) -> float:
    """WCAG 2's relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_are_roles_and_ids_are_ours_alone() -> None:
    text = inline_svg(figure(), 'a "figure" & more', "left")
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img" and root.get("aria-label") == 'a "figure" & more'
    assert not any(colour in text for colour in LIGHT.values())
    assert "var(--blue)" in text
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) and all(name.startswith("left-") for name in ids)
    referred = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", text))
    assert referred == set(ids), "every reference leads somewhere, and nothing else has an id"
    assert "$x_0$ <b>" in [element.text for element in root.iter()], "labels are text, not formulas or markup"


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert inline_svg(figure(), "a", "b") == inline_svg(figure(), "a", "b")


def test_words_and_lines_can_be_told_from_their_ground() -> None:
    for colours in (LIGHT, DARK):
        for ground in ("ground", "card", "raised"):
            assert contrast(colours["ink"], colours[ground]) >= 7
            assert contrast(colours["muted"], colours[ground]) >= 4.5
        for name in SERIES:
            assert contrast(colours[name], colours["card"]) >= 3
        assert contrast(colours["accent-ink"], colours["accent"]) >= 4.5
    assert LIGHT.keys() == DARK.keys() and len(set(LIGHT.values())) == len(LIGHT)


def test_a_standalone_file_carries_both_themes() -> None:
    text = standalone_svg(figure(), "a")
    assert "prefers-color-scheme: dark" in text and DARK["card"] in text and LIGHT["card"] in text
    ElementTree.fromstring(text)


def test_the_figure_of_a_run_without_anything_says_so(tmp_path) -> None:
    vector, raster = save_figure([], {}, tmp_path, "nothing $yet$")
    told = vector.read_text()
    assert "no step of reinforcement learning yet" in told and "no evaluation yet" in told and "nothing $yet$" in told
    assert raster.read_bytes().startswith(b"\x89PNG")


def test_names_of_files_are_no_formulas_and_stand_in_the_legend(tmp_path) -> None:
    told = {"by_depth": {"1": {"solved": 0.5, "interval": [0.4, 0.6]}}}
    draw_summaries(tmp_path / "c.svg", {"_first": told, "$x_1$": told}, r"runs/$\foo$")
    drawn = (tmp_path / "c.svg").read_text()
    assert all(re.search(rf"<!-- \W?{re.escape(name)} -->", drawn) for name in ("_first", "$x_1$", r"runs/$\foo$"))
