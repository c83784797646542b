"""Matplotlib figures as SVG that lives inside a page: its colours follow the reader's theme, its text stays text.

Figures are drawn in the colours of `palette.LIGHT`; each of these becomes the custom property of its role.
"""

import io
import re
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tpu_orch.reports.page.palette import LIGHT, themes

SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
DPI = 72  # one point is one unit of the picture
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tpu-orch",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "axes.labelsize": 11,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "hatch.linewidth": 0.9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LIGHT["grey"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.titlecolor": LIGHT["ink"],
    "text.color": LIGHT["ink"],
    "xtick.color": LIGHT["grey"],
    "ytick.color": LIGHT["grey"],
    "xtick.labelcolor": LIGHT["muted"],
    "ytick.labelcolor": LIGHT["muted"],
    "grid.color": LIGHT["line"],
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "lines.solid_capstyle": "round",
}

ElementTree.register_namespace("", SVG)
_ROLES = {value: name for name, value in LIGHT.items()}
_COLOUR = re.compile("|".join(_ROLES))
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"font:([^;]*?)'[^;]*sans-serif")


def inline_svg(figure: Figure, label: str, name: str) -> str:
    """The figure as an `<svg>` element.

    Args:
      label: what a reader that cannot see it is told.
      name: put before every id, so that figures of one page do not meet.
    """
    root = svg_tree(figure)
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.set("role", "img")
    root.set("aria-label", label)
    _rename(root, name)
    return ElementTree.tostring(root, encoding="unicode")


def standalone_svg(figure: Figure, label: str) -> str:
    """The figure as an SVG file that carries both themes and its own ground."""
    root = svg_tree(figure)
    root.set("role", "img")
    root.set("aria-label", label)
    style = ElementTree.Element(f"{{{SVG}}}style")
    style.text = themes("svg")
    ground = ElementTree.Element(
        f"{{{SVG}}}rect", {"width": "100%", "height": "100%", "rx": "12", "style": "fill: var(--card)"}
    )
    root[:0] = [style, ground]
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def svg_tree(figure: Figure) -> ElementTree.Element:
    """The figure's SVG without metadata, its colours by role. Draw it under `matplotlib.rc_context(STYLE)`."""
    target = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        FigureCanvasSVG(figure).print_svg(
            target, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    root = ElementTree.fromstring(target.getvalue())
    for parent in root.iter():
        for child in [one for one in parent if one.tag.endswith("}metadata")]:
            parent.remove(child)
    for element in root.iter():
        _recolour(element)
    return root


def _recolour(element: ElementTree.Element) -> None:
    """Colours by role, and the reader's own sans-serif. Attributes know no custom properties, styles do."""
    style = element.get("style", "")
    for attribute in ("fill", "stroke"):
        if element.get(attribute, "").startswith("#"):
            style += f"; {attribute}: {element.attrib.pop(attribute)}"
    if style:
        style = _COLOUR.sub(lambda found: f"var(--{_ROLES[found[0]]})", style)
        element.set("style", _FONT.sub(r"font:\1system-ui, sans-serif", style))
    if XLINK in element.attrib:
        element.set("href", element.attrib.pop(XLINK))


def _rename(root: ElementTree.Element, name: str) -> None:
    """Ids that something refers to get the prefix; the others go."""
    used: set[str] = set()
    for element in root.iter():
        used.update(value[1:] for key, value in element.items() if key == "href" and value.startswith("#"))
        used.update(target for value in element.attrib.values() for target in _REFERENCE.findall(value))
    for element in root.iter():
        own = element.get("id")
        if own is not None and own not in used:
            del element.attrib["id"]
        for key, value in element.items():
            if key == "id":
                element.set(key, f"{name}-{value}")
            elif key == "href" and value.startswith("#"):
                element.set(key, f"#{name}-{value[1:]}")
            else:
                element.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", value))
