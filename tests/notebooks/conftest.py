"""The notebooks of the course, as the tests read them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def read() -> Callable:
    """``read("chapters/00-soft-lookup.ipynb")`` gives the notebook."""
    return lambda name: nbformat.read(ROOT / name, as_version=4)


@pytest.fixture(scope="session")
def run_nbval(tmp_path_factory) -> Callable:
    """Run nbval over one notebook, in a kernel of nbval's own."""

    def run(notebook: Path, *options: str) -> subprocess.CompletedProcess:
        empty = tmp_path_factory.mktemp("settings") / "pytest.ini"
        empty.write_text("[pytest]\n")
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-c",
                empty,
                "--rootdir",
                notebook.parent,
                "-p",
                "no:cacheprovider",
                "-p",
                "book.nbval_text",
                "--nbval-lax",
                "--nbval-cell-timeout=300",
                *options,
                notebook,
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    return run
