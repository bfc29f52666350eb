"""How long each part of the tests took when they last ran.

``make test`` leaves its seconds in ``.test-results/tests.xml``. Processes
side by side share a machine, so the sum is more than one waits for it.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from benchmarks.measurement import Measurement

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / ".test-results" / "tests.xml"


def seconds_by_part(results: Path) -> dict[str, float]:
    """Seconds by folder of the tests, and of the executed notebooks.

    Raises FileNotFoundError if the tests have not been run.
    """
    if not results.exists():
        raise FileNotFoundError(
            f"the tests have not been run: {results} is missing; "
            "run `make test`"
        )
    seconds: Counter[str] = Counter()
    for case in ElementTree.parse(results).iter("testcase"):
        seconds[part_of(case.get("classname", ""))] += float(
            case.get("time", 0)
        )
    return dict(seconds.most_common())


def part_of(classname: str) -> str:
    """The part that a test belongs to, by the name that pytest gives it."""
    notebook = re.match(r"(chapters|solutions)\b", classname)
    if notebook:
        return notebook[1]
    folders = classname.split(".test_")[0].split(".")
    return "/".join(folders[:3])


def measure(results: Path = RESULTS) -> list[Measurement]:
    """One measurement for each part of the tests, the longest first."""
    seconds = seconds_by_part(results)
    return [
        Measurement("seconds of the tests", name, taken, "s")
        for name, taken in [*seconds.items(), ("all", sum(seconds.values()))]
    ]
