"""The fonts that the pages carry, cut down to what they show.

Text is set in Source Serif, which comes from a pinned package; a page loads
three files of some 20 kB. The theme ships three fonts of icons, 300 kB, and
shows some thirty of their glyphs: after the build each is cut down to the
glyphs that the style sheets and the pages name, and the style sheet to the
rules of these, a third less.
"""

from __future__ import annotations

import logging
import re
from importlib import metadata
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

ICONS = "_static/vendor/fontawesome/webfonts"
CUT_ICONS = "_static/icons"  # where book.css looks for them
SHEETS = "_static/styles"
TEXT = "_static/fonts"
FACES = ("Regular", "It", "Semibold", "SemiboldIt")
# Latin with the accents of European languages, Greek, and the signs of prose.
LETTERS = (
    *range(0x20, 0x180),
    *range(0x2010, 0x2030),
    *range(0x391, 0x3CA),
    *(ord(sign) for sign in "–—‘’‚“”„†•…′″‹›€™←↑→↓↔−√∞≈≠≤≥×·ẞﬁﬂ✓"),
)
PRIVATE = ("\ue000", "\uf8ff")  # where icons have their code points
_CLASS = re.compile(r"\bfa-[a-z0-9-]+")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_ICON_RULE = re.compile(
    r"(?<=\})\.fa-[a-z0-9-]+:before(?:,\.fa-[a-z0-9-]+:before)*"
    r'\{content:"[^"{}]*"\}'
)
_ESCAPE = re.compile(r"\\([0-9a-f]{1,6})", re.IGNORECASE)

logging.getLogger("fontTools").setLevel(logging.WARNING)


def cut(source: Path, target: Path, characters) -> None:
    """Write the font at ``source``, with ``characters`` alone, as WOFF2."""
    font = TTFont(source)
    options = subset.Options(flavor="woff2", notdef_outline=True)
    options.layout_features = ["kern", "liga", "mark", "mkmk", "ccmp"]
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=characters)
    cutter.subset(font)
    font.flavor = "woff2"
    target.parent.mkdir(parents=True, exist_ok=True)
    font.save(target)


def icons_in_use(out: Path) -> set[int]:
    """The code points of the icons that the pages under ``out`` can show."""
    static = out / "_static"
    sheet = "\n".join(
        path.read_text("utf-8", "replace") for path in static.rglob("*.css")
    )
    named: dict[str, int] = {}
    wanted: set[int] = set()
    for selector, body in _RULE.findall(sheet):
        codes = [int(code, 16) for code in _ESCAPE.findall(body)]
        names = _CLASS.findall(selector)
        if codes and names:
            named.update(dict.fromkeys(names, codes[0]))
        else:
            wanted.update(codes)
    wanted.update(
        ord(sign) for sign in sheet if PRIVATE[0] <= sign <= PRIVATE[1]
    )
    names_in_pages = _names_in_pages(out)
    wanted.update(
        code for name, code in named.items() if name in names_in_pages
    )
    return wanted


def _names_in_pages(out: Path) -> set[str]:
    """The classes of icons that pages and scripts name."""
    paths = [*out.glob("**/*.html"), *(out / "_static").glob("**/*.js")]
    return {
        name
        for path in paths
        for name in _CLASS.findall(path.read_text("utf-8", "replace"))
    }


def cut_icons(out: Path) -> None:
    """Cut the icon fonts under ``out`` down to the icons in use."""
    fonts = sorted((out / ICONS).glob("*.woff2"))
    wanted = icons_in_use(out) if fonts else set()
    for path in fonts:
        cut(path, out / CUT_ICONS / path.name, wanted)
        path.unlink()
    names = _names_in_pages(out)

    def kept(rule: re.Match) -> str:
        return rule[0] if names.intersection(_CLASS.findall(rule[0])) else ""

    for path in (out / SHEETS).glob("*.css"):
        before = path.read_text("utf-8")
        after = _ICON_RULE.sub(kept, before)
        if after != before:
            path.write_text(after, "utf-8")


def cut_text(out: Path) -> None:
    """Put the text fonts under ``out``, once."""
    package = metadata.distribution("font-source-serif-pro")
    folder = Path(package.locate_file("font_source_serif_pro/files"))
    for face in FACES:
        target = out / TEXT / f"source-serif-{face.lower()}.woff2"
        if not target.exists():
            cut(folder / f"SourceSerifPro-{face}.ttf", target, LETTERS)
