"""Notebooks are executed here, once, for the pages and for the tests.

An executed notebook is kept under ``_build/executed/`` with the key of all
that its results rest on (see :mod:`book.dependencies`). The book's pages
take their outputs from there, and nbval compares the same outputs with the
committed ones (see :mod:`book.comparison`)::

    python -m book.execution                # what the book needs
    python -m book.execution NOTEBOOK …     # these

A notebook whose key is unchanged is not executed again; one that fails is
not kept.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import filelock
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from traitlets.config import Config

from book import dependencies

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("chapters", "solutions")
CELL_SECONDS = 300
KEPT = Path("_build", "executed")
_FROM_KERNEL = ("language_info", "widgets")


@dataclass(frozen=True)
class Executed:
    """A notebook with its outputs, and what stopped it, if anything did."""

    notebook: NotebookNode
    seconds: float
    failure: str = ""


def kept_at(root: Path, path: Path) -> Path:
    """Where the executed form of a notebook is kept."""
    return root / KEPT / path.relative_to(root)


def kept(root: Path, path: Path) -> Executed | None:
    """What is kept of a notebook, None if that is nothing or is stale."""
    try:
        notebook = nbformat.read(kept_at(root, path), as_version=4)
    except (OSError, nbformat.reader.NotJSONError):
        return None
    about = notebook.metadata.get("executed", {})
    if about.get("key") != dependencies.key(root, path):
        return None
    return Executed(notebook, about["seconds"])


def executed(root: Path, path: Path) -> Executed:
    """A notebook with its outputs: as kept, or else executed now.

    Whoever asks for the same notebook meanwhile waits, and shares it.
    """
    target = kept_at(root, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(target.with_suffix(".lock")):
        found = kept(root, path)
        if found is None:
            found = _execute(path)
            if not found.failure:
                _keep(found, dependencies.key(root, path), target)
        return found


def execute_all(root: Path, paths: Iterable[Path]) -> dict[Path, str]:
    """Execute what is stale, as many at a time as there are cores.

    Returns:
        The failures, by the notebook's path.
    """
    stale = [path for path in paths if kept(root, path) is None]
    stale.sort(key=lambda path: -_seconds_before(root, path))
    if not stale:
        return {}
    workers = min(len(stale), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        failures = pool.map(_execute_aloud, [root] * len(stale), stale)
        return {
            path: failure
            for path, failure in zip(stale, failures, strict=True)
            if failure
        }


def _execute_aloud(root: Path, path: Path) -> str:
    name = path.relative_to(root).as_posix()
    print(f"executing {name}", flush=True)
    done = executed(root, path)
    how = "failed" if done.failure else "executed"
    print(f"{how} {name} in {done.seconds:.0f} s", flush=True)
    return done.failure


def with_outputs(committed: NotebookNode, run: NotebookNode) -> NotebookNode:
    """The committed notebook, its code cells with the outputs of a run."""
    result = copy.deepcopy(committed)
    outputs = iter(_code(run))
    for cell in _code(result):
        done = next(outputs)
        cell.outputs = done.outputs
        cell.execution_count = done.execution_count
    for name in _FROM_KERNEL:
        if name in run.metadata:
            result.metadata[name] = run.metadata[name]
    return result


def notebooks(root: Path = ROOT) -> list[Path]:
    """The notebooks that are executed; exercises are shown as they are."""
    return [
        path
        for folder in FOLDERS
        for path in sorted((root / folder).glob("*.ipynb"))
    ]


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _execute(path: Path) -> Executed:
    notebook = nbformat.read(path, as_version=4)
    for cell in _code(notebook):
        cell.outputs, cell.execution_count = [], None
    # Several run side by side: threads of one would wait for the other's.
    alone = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    started = time.monotonic()
    failure = ""
    with TemporaryDirectory() as sockets:
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            config=_private(sockets),
            resources={"metadata": {"path": str(path.parent)}},
        )
        started_cells: list[NotebookNode] = []
        client.on_cell_execute = lambda cell, cell_index: started_cells.append(
            cell
        )
        try:
            client.execute(env=alone)
        except CellExecutionError as why:
            failure = str(why)
        except (CellTimeoutError, RuntimeError) as why:  # no kernel, too
            failure = f"{type(why).__name__}: {why}"
            (running, *_) = [*started_cells[-1:], *_code(notebook)]
            running.execution_count = max(1, len(started_cells))
            running.outputs.append(
                new_output(
                    "error",
                    ename=type(why).__name__,
                    evalue=str(why),
                    traceback=[str(why)],
                )
            )
    return Executed(notebook, time.monotonic() - started, failure)


def _private(folder: str) -> Config:
    """Settings of a kernel that is talked to through files in a folder.

    Of kernels that start at the same moment two can be given the same port.
    Windows knows no such files; there they take their chance.
    """
    config = Config()
    if os.name == "posix":
        config.KernelManager.transport = "ipc"
        config.KernelManager.ip = os.path.join(folder, "kernel")
    return config


def _keep(done: Executed, key: str, target: Path) -> None:
    done.notebook.metadata.executed = {
        "key": key,
        "seconds": round(done.seconds, 1),
    }
    draft = target.with_suffix(".part")
    nbformat.write(done.notebook, draft)
    draft.replace(target)


def _seconds_before(root: Path, path: Path) -> float:
    """What a notebook took when it ran last: the long ones start first."""
    try:
        before = nbformat.read(kept_at(root, path), as_version=4)
        return before.metadata.executed.seconds
    except (OSError, AttributeError, nbformat.reader.NotJSONError):
        return 1000.0 * (path.parent.name == "chapters")


def report(failures: dict[Path, str]) -> int:
    """Print what failed and how; an exit status."""
    for path, failure in failures.items():
        print(f"\n{path} does not run:\n\n{failure}", file=sys.stderr)
    return 1 if failures else 0


def main(arguments: list[str] | None = None) -> int:
    """The command; its status is 1 where a notebook fails."""
    parser = argparse.ArgumentParser(
        prog="python -m book.execution", description=__doc__.split("\n")[0]
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="NOTEBOOK")
    chosen = parser.parse_args(arguments)
    paths = [path.resolve() for path in chosen.paths] or notebooks()
    return report(execute_all(ROOT, paths))


if __name__ == "__main__":
    sys.exit(main())
