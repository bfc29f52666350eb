"""Runs cells by nbval, in a process of its own, and goes on after a crash.

All cells share one kernel. Where a cell ends the kernel, the notebook is
run again without that cell, so that the cells after it are graded too.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from attnbook.grading.notebook.assemble import RunCell
from attnbook.grading.notebook.read import UnusableError

RECORDS = "ATTNBOOK_GRADING_RECORDS"  # the plugin writes to this file

# In a notebook `exit()` ends the kernel; here it ends the cell alone. The
# prelude leaves no names behind.
_PRELUDE = """\
globals().update(dict.fromkeys(("exit", "quit"), __import__("sys").exit))
__import__("attnbook.grading.notebook.colab", fromlist=["x"]).install()
"""
_MOST_RUNS = 8  # of one notebook, so of crashes in it
_START = 120  # seconds for pytest, nbval and the kernel to start


@dataclass(frozen=True)
class Fate:
    """What happened to a cell; kinds as in :mod:`nbval_plugin`."""

    kind: str
    name: str = ""  # of the exception
    text: str = ""  # of the exception
    seconds: float = 0.0
    mistake: str = ""  # name of the known mistake that it looks like


NOT_RUN = Fate("not run")


def run(cells: Sequence[RunCell], timeout: float) -> list[Fate]:
    """Run all cells in order; return the fate of each.

    Parameters
    ----------
    timeout
        Seconds for each cell.

    Raises
    ------
    UnusableError
        When no kernel can be started.
    """
    _require("nbval", "pytest_timeout", "ipykernel")
    fates: dict[int, Fate] = {}
    left_out: set[int] = set()
    for _ in range(_MOST_RUNS):
        chosen = [i for i in range(len(cells)) if i not in left_out]
        found, last = _run_once([cells[i] for i in chosen], timeout)
        for position, fate in found.items():
            fates.setdefault(chosen[position], fate)
        if last is None:
            break
        fates[chosen[last]] = found.get(last, Fate("died"))
        left_out.add(chosen[last])
        # What has been judged is not judged again.
        left_out |= {i for i in fates if cells[i].is_graded}
        if all(i in fates for i, c in enumerate(cells) if c.is_graded):
            break
    return [fates.get(i, NOT_RUN) for i in range(len(cells))]


def _require(*modules: str) -> None:
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    if missing:
        names = " ".join(missing).replace("_", "-")
        raise UnusableError(
            f"Grading needs packages that are not installed here: run "
            f"`pip install {names}`."
        )


def _run_once(
    cells: Sequence[RunCell], timeout: float
) -> tuple[dict[int, Fate], int | None]:
    """Run cells in one kernel.

    Returns the fates by position, and the position of the cell that ended
    the run, None when it came to its end.
    """
    with tempfile.TemporaryDirectory(
        prefix="attnbook-", ignore_cleanup_errors=True
    ) as folder:
        place = Path(folder)
        records = place / "records"
        records.touch()
        _write_notebook(cells, place / "work" / "notebook.ipynb")
        output = _pytest(place, records, timeout)
        entries = _read_records(records)
    fates: dict[int, Fate] = {}
    started = None
    for entry in entries:
        cell = entry.get("cell", 0) - 1  # the first one is the prelude
        if entry["kind"] == "no kernel":
            raise UnusableError(
                "No Python kernel could be started here: "
                f"{' '.join(entry['text'].split())}"
            )
        if entry["kind"] == "start":
            started = cell
        elif cell >= 0 and entry["kind"] not in ("kernel", "end"):
            fates[cell] = Fate(
                entry["kind"],
                entry.get("name", ""),
                entry.get("text", ""),
                entry["seconds"],
            )
    if started is None or (started < 0 and cells):
        raise UnusableError(f"nbval could not run here: {output}")
    if fates.get(started, NOT_RUN).kind in ("died", "hung", "not run"):
        return fates, started
    return fates, None


def _write_notebook(cells: Sequence[RunCell], path: Path) -> None:
    sources = [_PRELUDE, *(cell.source for cell in cells)]
    content = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{number}",
                "metadata": {},
                "outputs": [],
                "source": source,
            }
            for number, source in enumerate(sources)
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.parent.mkdir()
    path.write_text(json.dumps(content), "utf-8")


def _pytest(place: Path, records: Path, timeout: float) -> str:
    """Run nbval; return its last line, for when all else fails."""
    settings = place / "pytest.ini"
    settings.write_text("[pytest]\n", "utf-8")
    package = str(Path(__file__).resolve().parents[3])
    environment = dict(
        os.environ,
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
        PYTHONPATH=os.pathsep.join(
            filter(None, [package, os.environ.get("PYTHONPATH")])
        ),
        IPYTHONDIR=str(place / "ipython"),
        # As in a class, where no compiler can be started.
        TORCHDYNAMO_DISABLE="1",
        **{RECORDS: str(records)},
    )
    environment.pop("PYTEST_ADDOPTS", None)
    command = [
        sys.executable, "-m", "pytest", "-q", "--tb=no",
        "-p", "no:cacheprovider",
        "-p", "nbval.plugin",
        "-p", "pytest_timeout",
        "-p", "attnbook.grading.notebook.nbval_plugin",
        "-c", str(settings),
        f"--rootdir={place}",
        "--nbval-lax",
        "--nbval-current-env",
        f"--nbval-cell-timeout={timeout}",
        f"--timeout={timeout + _START}",
        "--timeout-method=thread",
        str(place / "work" / "notebook.ipynb"),
    ]  # fmt: skip
    with open(place / "output", "wb+") as output:
        try:
            subprocess.run(
                command,
                cwd=place / "work",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        finally:
            _end_kernels(records)
        output.seek(0)
        lines = output.read().decode("utf-8", "replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "")


def _read_records(path: Path) -> list[dict]:
    entries = []
    # A cell may have spoilt or deleted even this.
    with contextlib.suppress(OSError):
        for line in path.read_text("utf-8", "replace").splitlines():
            with contextlib.suppress(ValueError):
                entries.append(json.loads(line))
    return entries


def _end_kernels(records: Path) -> None:
    """End a kernel that outlived its pytest."""
    entries = _read_records(records)
    if any(entry["kind"] == "end" for entry in entries):
        return
    for entry in entries:
        if entry["kind"] == "kernel" and isinstance(entry["pid"], int):
            with contextlib.suppress(OSError):
                os.kill(entry["pid"], signal.SIGKILL)
