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
TRAVELS = (
    "grading/isolation/bounds.py",
    "grading/isolation/bridge.py",
    "grading/isolation/changes.py",
    "grading/isolation/channel.py",
    "grading/isolation/errors.py",
    "grading/isolation/gradients.py",
    "grading/isolation/limits.py",
    "grading/isolation/objects.py",
    "grading/isolation/packing.py",
    "grading/isolation/student.py",
    "grading/isolation/transforms.py",
    "grading/isolation/unpacking.py",
    "grading/isolation/warm.py",
    "grading/isolation/wire.py",
    "grading/isolation/sandbox/confinement.py",
    "grading/isolation/sandbox/zygote.py",
    "grading/notebook/colab.py",
    "judging/inspection.py",
)
# Packages that hold answers, or lead to them: what is not above stays out.
_KEPT_BACK = ("checks", "judging", "grading")

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
    for package in ("checks", "judging"):
        _write_stand_ins(source / package, target / package)
    for name in TRAVELS:
        _write_traveller(source / name, target, target / name)
    return folder


def _left_out(folder: str, names: list[str]) -> set[str]:
    is_top = Path(folder) == Path(attnbook.__file__).resolve().parent
    return {
        name
        for name in names
        if "solution" in name or (is_top and name in _KEPT_BACK)
    }


def _write_traveller(source: Path, top: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    for folder in target.parents:
        if folder == top:
            break
        (folder / "__init__.py").touch()
    shutil.copy2(source, target)


def _write_stand_ins(source: Path, target: Path) -> None:
    for path in source.rglob("*.py"):
        text = _STAND_IN
        if path.stem in ("__init__", "exercise"):
            text += _WRONG_ANSWER
        made = target / path.relative_to(source)
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(text, "utf-8")
