"""The folder of an nbgrader course, with each exercise as an assignment."""

from __future__ import annotations

from pathlib import Path

from attnbook.grading.systems.facts import Facts
from attnbook.grading.systems.making import made


def lay_out(facts: Facts, root: Path, course: Path) -> list[Path]:
    """Write what nbgrader expects; return the paths that changed.

    That is ``nbgrader_config.py`` and ``source/NAME/NAME.ipynb``, the
    solution with its marks, for each exercise. What else is in the folder
    (release, submissions, the gradebook) stays as it is. A file that the
    teacher changed is not written over.

    Raises
    ------
    ValueError
        When a solution is missing, or a file was changed by hand.
    """
    wanted = {
        course / "nbgrader_config.py": made(facts)[
            "nbgrader/nbgrader_config.py"
        ].encode()
    }
    for release in facts.exercises:
        name = f"{release.name}.ipynb"
        solution = root / "solutions" / name
        if not solution.exists():
            raise ValueError(
                f"There is no {solution}: nbgrader makes an assignment from "
                "the solution. Run this in the checkout of the course."
            )
        wanted[course / "source" / release.name / name] = solution.read_bytes()
    missing = {p: data for p, data in wanted.items() if not p.exists()}
    changed = [
        path
        for path, data in wanted.items()
        if path not in missing and path.read_bytes() != data
    ]
    if changed:
        raise ValueError(
            "These differ from what the course would write, and were left "
            "alone; move them away to get the course's own:\n"
            + "\n".join(f"  {path}" for path in changed)
        )
    for path, data in missing.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return list(missing)
