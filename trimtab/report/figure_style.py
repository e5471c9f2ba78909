"""How figures look, and how they become text inside a page: roles of colour, sizes, SVG that follows the page's theme.

In the page every colour is a CSS variable, every text the page's own font, and nothing uses a style attribute, so that
the page's content policy can forbid all styles but its own.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from matplotlib.figure import Figure

COLOURS = {
    "paper": "#fdfdfc",
    "ink": "#22262c",
    "muted": "#646b74",
    "rule": "#d8dce1",
    "weak": "#b35300",
    "student": "#00639c",
    "ceiling": "#00765a",
    "control": "#75757d",
}
"""Role to colour on white; the hues are told apart with every common kind of colour blindness, and every role also
has a marker of its own."""

MARKERS = {"weak": "s", "method": "o", "student": "o", "ceiling": "D", "control": "o"}

WIDTH_INCHES = 4.7
ROW_INCHES = 0.27

_RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "trimtab",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,
    "axes.edgecolor": COLOURS["muted"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "grid.color": COLOURS["rule"],
    "grid.linewidth": 0.7,
    "pdf.fonttype": 42,
}
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_FONT_SIZE = re.compile(r"([\d.]+)px")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw and save inside this context; texts may hold characters that the drawing font lacks."""
    from matplotlib import rc_context

    with rc_context(_RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        yield


def saved(figure: Figure, kind: str) -> bytes:
    """Return the figure as a file of kind `svg`, `png` (200 dots per inch) or `pdf`, the same bytes every time."""
    undated = {
        "svg": {"Date": None, "Creator": None},
        "png": {"Software": None},
        "pdf": {"CreationDate": None},
    }
    buffer = io.BytesIO()
    with figure_style():
        transparent = kind == "svg"
        figure.savefig(buffer, format=kind, metadata=undated[kind], dpi=200, transparent=transparent)
    return buffer.getvalue()


def inline_svg(figure: Figure, description: str, prefix: str) -> str:
    """Return the figure as an `<svg>` element for a page, with `description` for those who cannot see it.

    `prefix` keeps its ids apart from those of the page's other figures.
    """
    from xml.etree import ElementTree

    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(saved(figure, "svg"))
    for parent in root.iter():
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        _as_page_element(element, prefix)
    width, height = root.attrib.pop("width"), root.attrib.pop("height")
    del width, height  # the page gives the size; viewBox keeps the shape
    root.attrib |= {"role": "img", "aria-labelledby": f"{prefix}-title", "class": "figure"}
    title = ElementTree.Element(f"{{{_SVG}}}title", {"id": f"{prefix}-title"})
    title.text = description
    root.insert(0, title)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _as_page_element(element: Element, prefix: str) -> None:
    """Turn style into attributes, colours into variables, and make ids the page's own."""
    variables = {colour: f"var(--{role}, {colour})" for role, colour in COLOURS.items()}
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, setting = (part.strip() for part in declaration.partition(":"))
        if name == "font":
            size = _FONT_SIZE.search(setting)
            element.set("font-size", size.group(1) if size else "9")
        elif name:
            element.set(name, variables.get(setting, setting))
    for name, setting in list(element.attrib.items()):
        if name == "id":
            element.set("id", f"{prefix}-{setting}")
        elif name == _XLINK:
            del element.attrib[name]
            element.set("href", f"#{prefix}-{setting.removeprefix('#')}")
        else:
            element.set(name, _REFERENCE.sub(rf"url(#{prefix}-\1)", variables.get(setting, setting)))
