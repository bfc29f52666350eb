"""MathJax for the pages, joined from the parts that they need.

MathJax comes from a pinned package. Its own joined file weighs 264 kB
gzipped; two fifths of that are a menu which the book does not show.
"""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path

PATH = "mathjax/joined.js"  # below _static
FONTS = "output/chtml/fonts/woff-v2"
PARTS = (
    "startup",
    "core",
    "input/tex",
    "output/chtml",
    "output/chtml/fonts/tex",
    "a11y/assistive-mml",
)
SETTINGS = {"chtml": {"mtextInheritFont": True}}


def joined(source: Path) -> str:
    """The script of all parts. It starts when the last has run, and is told
    that none is left to fetch."""
    first, *others = (
        (source / f"{part}.js").read_text("utf-8") for part in PARTS
    )
    names = ", ".join(f'"{part}"' for part in PARTS)
    return "\n".join([first, f"MathJax.loader.preLoad({names});", *others])


def copy_mathjax(static: Path) -> None:
    """Put the script and the fonts that it asks for into ``static``."""
    package = metadata.distribution("sphinx-mathjax-offline")
    source = Path(package.locate_file("sphinx-mathjax-offline/static/mathjax"))
    target = static / PATH
    shutil.copytree(source / FONTS, target.parent / FONTS, dirs_exist_ok=True)
    target.write_text(joined(source), "utf-8")
