"""How long the grading command takes for one notebook."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.measurement import Measurement, median_of, seconds_taken

WHAT = "seconds to grade a notebook"


def grade(path: Path) -> None:
    """Run the grading command as a teacher would.

    Its exit status says how good the notebook is, so any is taken; a grader
    that printed no points has failed. Raises RuntimeError then.
    """
    graded = subprocess.run(
        [sys.executable, "-m", "attnbook.grading", str(path)],
        capture_output=True,
        text=True,
    )
    if "/" not in graded.stdout:
        raise RuntimeError(
            f"grading {path.name} printed no points:\n"
            f"{graded.stdout}{graded.stderr}"
        )


def measure(
    paths: list[Path], repeats: int, calibration: float
) -> list[Measurement]:
    """One measurement a notebook, named by its folder and its name."""
    measured = []
    for path in paths:
        seconds = [seconds_taken(partial(grade, path)) for _ in range(repeats)]
        name = f"{path.parent.name}/{path.stem}"
        measured.append(median_of(WHAT, name, seconds, "s", calibration))
    return measured
