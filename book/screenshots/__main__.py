"""The README's pictures, taken from the built book.

Run ``make book``, then ``python -m book.screenshots``. Each picture is one
part of one page; Pillow reduces it to few colours, so that it stays small.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from benchmarks.chromium import chromium
from benchmarks.served_book import served

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent
COLOURS = 128


@dataclass(frozen=True)
class Picture:
    """One part of one page; the window around it where it fills a phone."""

    name: str
    page: str
    part: str
    width: int = 1000
    height: int = 760
    theme: str = "light"
    window: bool = False


PICTURES = (
    Picture(
        "explorer",
        "chapters/00-soft-lookup.html",
        ".explorer >> nth=0",
    ),
    Picture(
        "alignment",
        "chapters/01-additive-attention.html",
        ".explorer >> nth=0",
    ),
    Picture(
        "phone",
        "chapters/00-soft-lookup.html",
        ".explorer >> nth=1",
        width=390,
        height=780,
        theme="dark",
        window=True,
    ),
)


def settle(page: Page) -> None:
    """Wait until fonts, mathematics and figures stand still."""
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(500)


def take(browser: Browser, address: str, picture: Picture) -> Path:
    """Save one picture beside this file.

    Raises playwright's TimeoutError if the page has no such part.
    """
    context = browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        color_scheme=picture.theme,
        device_scale_factor=1.5,
        reduced_motion="reduce",
    )
    try:
        page = context.new_page()
        page.add_init_script(
            f"localStorage.setItem('mode', '{picture.theme}');"
            f"localStorage.setItem('theme', '{picture.theme}');"
        )
        page.goto(f"{address}/{picture.page}")
        settle(page)
        part = page.locator(picture.part)
        part.evaluate("(node) => node.scrollIntoView()", timeout=10_000)
        settle(page)
        shot = page.screenshot() if picture.window else part.screenshot()
    finally:
        context.close()
    target = FOLDER / f"{picture.name}.png"
    reduced = Image.open(BytesIO(shot)).convert("RGB").quantize(COLOURS)
    reduced.save(target, optimize=True)
    return target


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m book.screenshots", description="Take the pictures."
    )
    parser.add_argument(
        "--book",
        type=Path,
        default=ROOT / "_build" / "html",
        help="the built pages",
    )
    options = parser.parse_args(arguments)
    try:
        with served(options.book) as address, chromium() as browser:
            for picture in PICTURES:
                taken = take(browser, address, picture)
                size = taken.stat().st_size / 1000
                print(f"{taken.relative_to(ROOT)}  {size:.0f} kB")
    except FileNotFoundError as missing:
        print(f"no pictures: {missing}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
