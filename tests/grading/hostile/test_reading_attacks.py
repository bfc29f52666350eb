"""What looks for the answer finds it where nothing hides it.

An attack that aims at where the answer no longer lies protects nobody.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from attnbook.grading.hostile import NOTEBOOKS

PACKAGE = Path(__file__).parents[3] / "attnbook"

_TRIES = """
import os
import torch
import attnbook.checks.scaled_dot_product

walk = os.walk
os.walk = lambda place: walk({package!r})  # the whole disk takes minutes
{source}
print(FOUND.__module__, FOUND.__name__)
"""


@pytest.mark.parametrize(
    "name",
    ["imported reference", "reference on the disk", "reference in memory"],
)
def test_the_reference_is_found_without_the_sandbox(name):
    [source] = NOTEBOOKS[name].answers.values()
    program = _TRIES.format(package=str(PACKAGE), source=source)
    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    module, function = found.stdout.split()
    assert module == "attnbook.checks.scaled_dot_product.packed_attention"
    assert function == "_packed_attention"
