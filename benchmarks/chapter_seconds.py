"""How long each chapter runs, from a fresh kernel to its last cell."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from benchmarks.measurement import Measurement, median_of, seconds_taken

WHAT = "seconds to run a chapter"


def run_notebook(path: Path, timeout: int = 600) -> None:
    """Execute every cell in a new kernel, in the notebook's own folder.

    Raises RuntimeError where a cell fails or runs too long.
    """
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", resources=resources
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError) as failure:
        reason = str(failure).strip().splitlines()[-1]
        raise RuntimeError(f"{path.name} does not run: {reason}") from failure


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
