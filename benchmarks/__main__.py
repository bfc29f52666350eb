"""The command: measure, print one table, write JSON on request."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

from benchmarks import (
    chapter_seconds,
    first_figure,
    grading_seconds,
    mechanism_ratios,
    page_weight,
    suite_seconds,
)
from benchmarks.calibration import calibrate
from benchmarks.chromium import chromium
from benchmarks.measurement import Measurement, table
from benchmarks.served_book import served
from book.chapters import listed

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("mechanisms", "chapters", "pages", "grading", "tests")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(
            "Measure the mechanisms beside PyTorch's own, seconds a chapter, "
            "page weight, the wait for the first figure and explorer, and "
            "seconds to grade a notebook; and print the seconds of the tests "
            "when they last ran."
        ),
    )
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="one part; repeatable"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="of each time (default: 3)"
    )
    parser.add_argument(
        "--book",
        type=Path,
        default=ROOT / "_build" / "html",
        help="the built pages",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the numbers here too"
    )
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error(f"expected 1 repeat or more, got {options.repeats}")
    return options


def notebooks(*folders: str) -> list[Path]:
    return [
        ROOT / folder / f"{chapter.name}.ipynb"
        for folder in folders
        for chapter in listed()
    ]


def measure_pages(
    book: Path, repeats: int, calibration: float
) -> list[Measurement]:
    chapters = [
        Path(path.parent.name, path.stem + ".html")
        for path in notebooks("chapters")
    ]
    with served(book) as address, chromium() as browser:
        return page_weight.measure(
            browser, address, page_weight.pages_of(book)
        ) + first_figure.measure(
            browser, address, chapters, repeats, calibration
        )


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    parts = options.only or PARTS
    print("calibrating", file=sys.stderr)
    calibration = calibrate()
    measured: list[Measurement] = []
    try:
        if "mechanisms" in parts:
            print("timing the mechanisms", file=sys.stderr)
            measured += mechanism_ratios.measure(options.repeats)
        if "chapters" in parts:
            print("running the chapters", file=sys.stderr)
            measured += chapter_seconds.measure(
                notebooks("chapters"), options.repeats, calibration
            )
        if "pages" in parts:
            print("visiting the pages", file=sys.stderr)
            measured += measure_pages(
                options.book, options.repeats, calibration
            )
        if "grading" in parts:
            print("grading", file=sys.stderr)
            measured += grading_seconds.measure(
                notebooks("solutions", "exercises"),
                options.repeats,
                calibration,
            )
        if "tests" in parts:
            measured += suite_seconds.measure()
    except (FileNotFoundError, RuntimeError) as obstacle:
        print(f"cannot measure: {obstacle}", file=sys.stderr)
        return 1
    print(table(measured))
    print(
        f"\nThe ratio is to the calibration loop: {calibration:.2f} s on "
        f"this machine ({platform.machine()}, Python "
        f"{platform.python_version()})."
    )
    if options.json:
        report = {
            "calibration_seconds": calibration,
            "measurements": [one.as_dictionary() for one in measured],
        }
        options.json.write_text(
            json.dumps(report, indent=2) + "\n", encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
