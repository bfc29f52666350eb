"""How long each chapter runs, from a fresh kernel to its last cell."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from benchmarks.measurement import Measurement, median_of, seconds_taken

WHAT = "seconds to run a chapter"


def run_notebook(path: Path, timeout: int = 600) -> None:
    """Execute every cell in a new kernel, in the notebook's own folder.

    Raises nbclient's CellExecutionError where a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", resources=resources
    ).execute()


def measure(
    paths: list[Path], repeats: int, calibration: float
) -> list[Measurement]:
    """One measurement a notebook."""
    measured = []
    for path in paths:
        seconds = [
            seconds_taken(partial(run_notebook, path)) for _ in range(repeats)
        ]
        measured.append(median_of(WHAT, path.stem, seconds, "s", calibration))
    return measured
