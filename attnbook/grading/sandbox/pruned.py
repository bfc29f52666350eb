"""The copy of this package that a learner's code sees.

It has what a notebook imports, and neither answers nor cases: of the grader
only what runs inside the sandbox, and stand-ins for the modules with the
checks, whose functions do nothing. The verdict is another process's.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import attnbook

# What the zygote and its children run. None of it holds a secret.
_OF_GRADING = (
    "limits.py",
    "bridge.py",
    "errors.py",
    "measures.py",
    "student.py",
    "warm.py",
    "wire.py",
    "sandbox/confinement.py",
    "sandbox/zygote.py",
)

_STAND_IN = '''"""Stands in for the checks, which another process runs."""


def __getattr__(name):
    if name.startswith("check_") or name == "points_so_far":
        return _checked_elsewhere
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _checked_elsewhere(*arguments, **named):
    return None
'''

_WRONG_ANSWER = '''

class WrongAnswer(AssertionError):
    """An answer is not right."""
'''


def make(folder: Path) -> Path:
    """Make the pruned package inside a folder; return the folder.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    source = Path(attnbook.__file__).resolve().parent
    target = folder / "attnbook"
    shutil.copytree(source, target, ignore=_left_out)
    experiments = importlib.util.find_spec("attnbook.experiments")
    # In an editable installation it lies elsewhere.
    if experiments is not None and not (target / "experiments").exists():
        for place in experiments.submodule_search_locations or ():
            shutil.copytree(place, target / "experiments", ignore=_left_out)
    _write_grading(source / "grading", target / "grading")
    _write_checks(source / "checks", target / "checks")
    return folder


def _left_out(folder: str, names: list[str]) -> set[str]:
    is_top = Path(folder) == Path(attnbook.__file__).resolve().parent
    return {
        name
        for name in names
        if "solution" in name or (is_top and name in ("checks", "grading"))
    }


def _write_grading(source: Path, target: Path) -> None:
    for folder in (target, target / "sandbox"):
        folder.mkdir()
        (folder / "__init__.py").write_text("", "utf-8")
    for name in _OF_GRADING:
        shutil.copy2(source / name, target / name)


def _write_checks(source: Path, target: Path) -> None:
    target.mkdir()
    for path in source.glob("*.py"):
        text = _STAND_IN
        if path.stem in ("__init__", "exercise"):
            text += _WRONG_ANSWER
        (target / path.name).write_text(text, "utf-8")
