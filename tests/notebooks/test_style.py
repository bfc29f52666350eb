"""Code and notebooks pass the linter and have the common format."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "command", [["check"], ["format", "--check"]], ids=["lint", "format"]
)
def test_ruff_has_nothing_to_say(root, command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "."],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_reads_notebooks(root):
    listed = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--show-files", "."],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "chapters/00-soft-lookup.ipynb" in listed
